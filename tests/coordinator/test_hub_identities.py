"""A coordinator gets its certificate from a real hub with its pod's token, even if the hub is away for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_coordinator.__main__ import main
from fedjobs_coordinator.coordinator import Coordinator
from fedjobs_coordinator.process.hub_identities import Hub, certified
from fedjobs_coordinator.process.terminations import Termination
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import Identity, enrolment_name, server_name
from fedjobs_protocol.reports.reports_client import watch

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.hub.hub_processes import OPERATOR_ACCOUNT
from tests.hub.hubs import FRONT_DOOR, Federation, running_federation

from .builders import a_job
from .coordinator_processes import Container

pytestmark = [pytest.mark.api_server, pytest.mark.processes]

LIFETIME_S = 15


@pytest.fixture(scope="module")
def federation(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    lifetimes = ("--certificate-lifetime-seconds", str(LIFETIME_S))
    with running_federation(api_server, tmp_path_factory.mktemp("hub"), lifetimes=lifetimes) as federation:
        yield federation


@pytest.fixture
def termination() -> Iterator[Termination]:
    before = signal.getsignal(signal.SIGTERM)
    yield Termination()
    signal.signal(signal.SIGTERM, before)


def mount_credentials(federation: Federation, folder: Path, job: str) -> Hub:
    """Creates what is mounted into a coordinator's pod: the token of a job's pod and the trusted issuers."""
    folder.mkdir()
    (folder / "token").write_text(federation.coordinator_token(job))
    (folder / "ca.crt").write_bytes(federation.servers_trust)
    return Hub(federation.hub.enrolment_address, enrolment_name(FRONT_DOOR), folder)


def operator(federation: Federation) -> Identity:
    token = federation.pod_token(account=OPERATOR_ACCOUNT)
    with federation.enrolment() as client:
        return client.issue_operator(token, keys.create())


def serial(coordinator: Coordinator, name: str, as_whom: Identity, folder: Path) -> int:
    """Returns the serial number of the coordinator's current certificate."""
    as_whom.save(folder)
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    host, _, port = coordinator.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as s,
    ):
        return x509.load_der_x509_certificate(s.getpeercert(binary_form=True) or b"").serial_number


@contextmanager
def running_coordinator(identity: Callable[[], Identity], uid: str, folder: Path) -> Iterator[Coordinator]:
    coordinator = Coordinator(a_job().model_copy(update={"uid": uid}), identity, folder, "127.0.0.1:0")
    try:
        yield coordinator
    finally:
        coordinator.close("Suspended")


def test_the_operator_watches_a_coordinator_that_renews_and_continues_without_the_hub(
    federation: Federation, termination: Termination, tmp_path: Path
) -> None:
    uid = federation.job([], "renewed")
    hub, name = mount_credentials(federation, tmp_path / "hub", "renewed"), server_name(uid, FRONT_DOOR)
    (tmp_path / "state").mkdir()

    async def heard(coordinator: Coordinator) -> str:
        async with aclosing(watch(coordinator.address, name, operator(federation))) as statuses:  # type: ignore[type-var]
            return (await anext(statuses)).job_uid

    with (
        certified(hub, uid, termination, None) as identity,
        running_coordinator(identity, uid, tmp_path / "state") as coordinator,
    ):
        assert asyncio.run(heard(coordinator)) == uid
        as_whom = operator(federation)
        federation.hub.kill()
        first = identity()
        shown = serial(coordinator, name, as_whom, tmp_path / "operator")
        assert identity() == first
        assert serial(coordinator, name, as_whom, tmp_path / "operator") == shown
        federation.start_hub(ports=federation.hub.ports)
        wait_until("the certificate is renewed", lambda: identity() != first, seconds=60)
        assert identity().key == first.key
        assert serial(coordinator, name, operator(federation), tmp_path / "operator") != shown


def test_a_coordinator_that_waits_for_the_hub_is_healthy(
    federation: Federation, termination: Termination, tmp_path: Path
) -> None:
    uid = federation.job([], "waiting")
    hub = mount_credentials(federation, tmp_path / "hub", "waiting")
    ports = federation.hub.ports
    federation.hub.kill()
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        health = f"127.0.0.1:{free.getsockname()[1]}"

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://{health}/healthz", timeout=10) as answer:
            asked.append(answer.status)
        return bool(asked)

    def restart_hub() -> None:
        wait_until("the coordinator is healthy", answers)
        federation.start_hub(ports=ports)

    helping = threading.Thread(target=restart_hub)
    helping.start()
    with certified(hub, uid, termination, health) as identity:
        helping.join()
        assert identity().job_uid == uid
    assert asked == [200]


def test_a_coordinator_that_waits_for_the_hub_can_be_stopped(federation: Federation, tmp_path: Path) -> None:
    container = Container(tmp_path)
    hub = mount_credentials(federation, tmp_path / "hub", federation_job(federation, "stopped"))
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        assert main(arguments(container, hub, address="127.0.0.1:1")) == 75
    finally:
        signal.signal(signal.SIGTERM, before)
    assert container.final_word.phase.value == "Suspended"


def test_a_token_of_another_jobs_pod_prevents_the_start(federation: Federation, tmp_path: Path) -> None:
    container = Container(tmp_path)  # the container of another job than that of the token's pod
    hub = mount_credentials(federation, tmp_path / "hub", federation_job(federation, "another"))
    assert main(arguments(container, hub)) == 4
    assert container.final_word.code == "InvalidCertificate"
    (hub.credentials / "token").write_text("forged")
    assert main(arguments(container, hub)) == 4
    assert container.final_word.code == "InvalidToken"
    assert "forged" not in container.final_word.message


@pytest.mark.parametrize("given", [["--hub", "hub:1"], ["--hub-credentials", "/hub"]])
def test_incomplete_options_of_the_hub_are_an_error(
    tmp_path: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*Container(tmp_path).arguments(), *given])
    assert "must be given together" in capsys.readouterr().err


def test_a_refused_identity_is_an_error(termination: Termination, federation: Federation, tmp_path: Path) -> None:
    hub = mount_credentials(federation, tmp_path / "hub", federation_job(federation, "refused"))
    (hub.credentials / "token").write_text("no token")
    with pytest.raises(FedjobsError) as raised, certified(hub, "uid", termination, None):
        pass
    assert raised.value.code is ErrorCode.INVALID_TOKEN


def federation_job(federation: Federation, name: str) -> str:
    federation.job([], name)
    return name


def arguments(container: Container, hub: Hub, address: str = "") -> list[str]:
    words = container.arguments()
    at = words.index("--tls")
    del words[at : at + 2]
    return [*words, "--hub", address or hub.address, "--hub-name", hub.name, "--hub-credentials", str(hub.credentials)]
