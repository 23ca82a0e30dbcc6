"""The front door: a real nginx with the chart's configuration, with regular clients and attacks."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from fedjobs_protocol.identities.identities import RunAuthority, agent_uri, enrolment_name, worker_uri

from tests.cluster.readiness import wait_until
from tests.helm.charts import HOST, Helm, HelmError
from tests.helm.front_doors import (
    NGINX,
    SERVICES,
    Backend,
    FrontDoor,
    closed,
    configuration,
    front_door,
    hello,
    job_name,
)


def connections(backends: dict[str, Backend]) -> dict[str, int]:
    return {service: backend.connections for service, backend in backends.items()}


pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NGINX is None, reason="no nginx: apt-get install nginx libnginx-mod-stream"),
]

AUTHORITY = RunAuthority.create()
UID = "01234567-89ab-cdef-0123-456789abcdef"
JOB = "j-0123456789abcdef"
IMPATIENT = {"preread_timeout 5s": "preread_timeout 300ms"}
SILO = AUTHORITY.issue_silo(UID, "hospital-a")


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Backend]]:
    """The hub, a job's coordinator, and a Service that must not be reachable from outside."""
    folder = tmp_path_factory.mktemp("backends")
    with ExitStack() as stack:
        found = {}
        for service, name, ports in (
            ("fedjobs-hub", HOST, (8443,)),
            ("enrolment", enrolment_name(HOST), (8444,)),
            (JOB, job_name(JOB), (8443,)),
            ("secrets", "secrets.example.org", (443, 6443, 8443, 8444)),
        ):
            identity = AUTHORITY.issue_coordinator(UID, name)
            found[service] = stack.enter_context(closing(Backend(service, identity, folder / service, *ports)))
        yield found


@pytest.fixture(scope="module")
def door(helm: Helm, backends: dict[str, Backend]) -> Iterator[FrontDoor]:
    with front_door(helm, backends, **IMPATIENT) as door:
        # The hub is one Service with two ports. Here, each port has its own address.
        door.dns.aliases[f"{JOB}.{SERVICES}"] = f"{JOB}.team.svc.cluster.local"
        door.dns.services[f"{JOB}.team.svc.cluster.local"] = backends[JOB].address
        for name in ("kubernetes.default.svc.cluster.local", f"secrets.{SERVICES}", "example.org", "metadata"):
            door.dns.services[name] = backends["secrets"].address
        yield door


def test_nginx_accepts_the_configuration(door: FrontDoor) -> None:
    assert not [line for line in door.log.read_text().splitlines() if "[emerg]" in line or "[warn]" in line]


def test_the_front_doors_own_name_routes_to_the_hub(door: FrontDoor, tmp_path: Path) -> None:
    with door.visit(HOST, SILO, tmp_path) as (_, greeting):
        assert greeting == f"fedjobs-hub greets {worker_uri(UID, 'hospital-a')}"


def test_enrolment_has_its_own_port(helm: Helm, backends: dict[str, Backend], tmp_path: Path) -> None:
    with front_door(helm, {"fedjobs-hub": backends["enrolment"]}) as door:
        with door.visit(enrolment_name(HOST), SILO, tmp_path) as (_, greeting):
            assert greeting.startswith("enrolment greets")
        assert door.turns_away(hello(HOST.encode()))  # the hub's port has no server here


def test_a_jobs_name_routes_to_its_coordinator_which_terminates_tls(door: FrontDoor, tmp_path: Path) -> None:
    """The name is an alias of a Service in another namespace."""
    with door.visit(job_name(JOB), SILO, tmp_path) as (client, greeting):
        # The coordinator received the silo's own certificate.
        assert greeting == f"{JOB} greets {worker_uri(UID, 'hospital-a')}"
        client.sendall(b"a model" * 100_000)
        received = b""
        while len(received) < 700_000:
            received += client.recv(65536)
        assert received == b"a model" * 100_000


@pytest.mark.parametrize(
    "name",
    [
        "secrets",
        f"secrets.{SERVICES}",
        f"secrets.{HOST}",
        f"fedjobs-hub.{SERVICES}",
        "kubernetes.default.svc.cluster.local",
        "example.org",
        f"{JOB}.{SERVICES}",
        f"{JOB}.example.org",
        f"{JOB}.{HOST}.example.org",
        f"{JOB}.{HOST}.",
        f"x{JOB}.{HOST}",
        f"{JOB}0.{HOST}",
        f"{JOB[:-1]}.{HOST}",
        f"{JOB[:-1]}g.{HOST}",
        f"{JOB.upper()}.{HOST}",
        f"{JOB}.secrets.{HOST}",
        f"secrets.{JOB}.{HOST}",
        f"{JOB}.{HOST.replace('.', 'x')}",
        f"{JOB}\n.{HOST}",
        f"{JOB}.{HOST}\nsecrets",
        f"{JOB}.{HOST}:6443",
        f"secrets.{SERVICES}#.{HOST}",
        f"$job.{HOST}",
        "127.0.0.1",
        "unix:/tmp/nginx.sock",
        f"enrol.enrol.{HOST}",
        "localhost",
        "x" * 250,
        "x" * 60_000,
        f"{'x' * 250}.{HOST}",
        f"{HOST}.",
        f"{HOST}\0",
        f"{HOST}\0.example.org",
        f"{JOB}.{HOST}\0",
        f".{HOST}",
        f" {HOST}",
        f"{JOB}.{HOST.upper()}",
        "",
    ],
)
def test_no_other_name_has_a_route(door: FrontDoor, backends: dict[str, Backend], name: str) -> None:
    before = connections(backends)
    door.dns.asked.clear()
    assert door.turns_away(hello(name.encode()))
    assert connections(backends) == before
    assert door.dns.asked == []


def test_only_the_fixed_name_of_a_missing_job_is_resolved(door: FrontDoor) -> None:
    door.dns.asked.clear()
    assert door.turns_away(hello(job_name("j-ffffffffffffffff").encode()))
    assert set(door.dns.asked) == {f"j-ffffffffffffffff.{SERVICES}"}


@pytest.mark.parametrize(
    "words",
    [b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"\xff" * 600],
    ids=["plain HTTP", "zeros", "a broken first packet"],
)
def test_clients_without_tls_are_rejected(door: FrontDoor, backends: dict[str, Backend], words: bytes) -> None:
    before = sum(backend.connections for backend in backends.values())
    assert door.turns_away(words)
    assert sum(backend.connections for backend in backends.values()) == before


def test_clients_without_a_server_name_are_rejected(door: FrontDoor, backends: dict[str, Backend]) -> None:
    before = connections(backends)
    assert door.turns_away(hello())
    assert connections(backends) == before


def test_a_name_in_capitals_routes_to_the_hub_only(door: FrontDoor, backends: dict[str, Backend]) -> None:
    before = connections(backends)
    with door.connect() as client:
        client.sendall(hello(HOST.upper().encode()))
        assert client.recv(1) == b"\x16"  # the hub continues the handshake
    assert connections(backends) == before | {"fedjobs-hub": before["fedjobs-hub"] + 1}


SECRETS = f"secrets.{SERVICES}".encode()


@pytest.mark.parametrize(
    "names", [(HOST.encode(), SECRETS), (SECRETS, HOST.encode()), (SECRETS, job_name(JOB).encode()), (SECRETS, SECRETS)]
)
@pytest.mark.parametrize("extensions", [1, 2])
def test_clients_with_two_names_get_no_more_access_than_clients_with_one(
    door: FrontDoor, backends: dict[str, Backend], names: tuple[bytes, bytes], extensions: int
) -> None:
    before = backends["secrets"].connections
    door.dns.asked.clear()
    with door.connect() as client:
        client.sendall(hello(*names, extensions=extensions))
        client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while client.recv(65536):
                pass
    assert backends["secrets"].connections == before
    assert not [name for name in door.dns.asked if "secrets" in name]


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x01", "half"], ids=["nothing", "a few bytes", "half a packet"])
def test_stalled_clients_are_rejected_after_a_timeout(door: FrontDoor, words: bytes | str) -> None:
    packet = hello(HOST.encode())
    with door.connect() as client:
        client.sendall(packet[: len(packet) // 2] if isinstance(words, str) else words)
        assert closed(client)


def test_500_idle_connections_do_not_disturb_running_ones(
    helm: Helm, door: FrontDoor, backends: dict[str, Backend], tmp_path: Path
) -> None:
    with door.visit(job_name(JOB), SILO, tmp_path / "running") as (running, _), ExitStack() as stack:
        slow = [stack.enter_context(door.connect()) for _ in range(500)]
        running.sendall(b"report")
        assert running.recv(6) == b"report"
        for each in slow:
            assert closed(each)
        with door.visit(HOST, SILO, tmp_path / "new") as (_, greeting):
            assert greeting.startswith("fedjobs-hub")
        running.sendall(b"again")
        assert running.recv(5) == b"again"


def test_few_open_files_by_default_do_not_limit_the_connections(helm: Helm, backends: dict[str, Backend]) -> None:
    """A container runtime may start processes with a soft limit of 1024 files, which 500 idle clients use up."""
    with front_door(helm, backends) as door:
        door.stop()
        door.command = ("bash", "-c", 'ulimit -Sn 1024; exec "$@"', "-", *door.command)
        door.start()
        main = door.process.pid
        workers = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        assert workers
        for worker in workers:
            [line] = [each for each in Path(f"/proc/{worker}/limits").read_text().splitlines() if "open files" in each]
            assert int(line.split()[3]) >= 2 * 8192


def test_one_address_has_a_limit(helm: Helm, backends: dict[str, Backend], tmp_path: Path) -> None:
    with front_door(helm, backends, "frontDoor.maxConnectionsPerAddress=3") as door, ExitStack() as stack:
        visits = [stack.enter_context(door.visit(HOST, SILO, tmp_path / str(number))) for number in range(3)]
        with door.connect() as fourth:
            assert closed(fourth)
        for client, _ in visits:
            client.sendall(b"still here")
            assert client.recv(10) == b"still here"


def test_jobs_come_and_go_without_a_reload_and_without_closing_connections(
    helm: Helm, backends: dict[str, Backend], tmp_path: Path
) -> None:
    with front_door(helm, {JOB: backends[JOB]}, **{"valid=5s": "valid=1s"}) as door:
        other = "j-fedcba9876543210"
        assert door.turns_away(hello(job_name(other).encode()))
        with door.visit(job_name(JOB), SILO, tmp_path / "running") as (running, _):
            door.dns.services[f"{other}.{SERVICES}"] = backends[JOB].address
            with door.connect() as client:
                client.sendall(hello(job_name(other).encode()))
                assert client.recv(1)  # the coordinator's response
            del door.dns.services[f"{JOB}.{SERVICES}"]
            wait_until(
                "the first job's name does not resolve any more", lambda: door.turns_away(hello(job_name(JOB).encode()))
            )
            running.sendall(b"the last report")
            assert running.recv(15) == b"the last report"


def test_each_connection_has_a_line_in_the_log(door: FrontDoor, tmp_path: Path) -> None:
    with door.visit(job_name(JOB), SILO, tmp_path) as (client, _):
        address = client.getsockname()[0]

    def line() -> dict[str, object] | None:
        lines = (door.log.parent / "access.log").read_text().splitlines()
        return next((found for each in lines if (found := json.loads(each))["name"] == job_name(JOB)), None)

    wait_until("the log has the line", lambda: line() is not None)
    found = line() or {}
    assert (found["peer"], found["status"]) == (address, 200)


def test_a_host_is_not_a_pattern(helm: Helm) -> None:
    """A dot matches a dot only."""
    assert r"\.a\.b-c\.example\.org$" in configuration(helm, "frontDoor.host=a.b-c.example.org")
    for wrong in ("frontDoor.host=a*b", "frontDoor.host=A.example.org", "frontDoor.host=a;b", "frontDoor.host=.a"):
        with pytest.raises(HelmError, match="/frontDoor/host"):
            configuration(helm, wrong)


def test_an_agents_certificate_reaches_the_hub_unchanged(door: FrontDoor, tmp_path: Path) -> None:
    certificate, key = AUTHORITY.silos.issue("hospital-a", uri=agent_uri("hospital-a"))
    identity = type(SILO)(certificate, key, AUTHORITY.coordinators.certificate)
    with door.visit(HOST, identity, tmp_path) as (_, greeting):
        assert greeting.endswith(agent_uri("hospital-a"))
