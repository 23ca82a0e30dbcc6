"""Real clusters: what pods and tests can do in them, a silo's firewall, and that nothing is left afterwards.

It takes minutes to build what a cluster needs. So these tests run only after `python -m tests.cluster build`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import binaries, docker_daemons, dockers, kind, links, proxies, requirements
from tests.cluster.clusters import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.firewalls import TABLE
from tests.cluster.kind import API_SERVER
from tests.cluster.opening import opened
from tests.cluster.reaching import reaches, reaches_through
from tests.cluster.readiness import wait_until
from tests.cluster.recognized import NAME, NAMESPACE, mark
from tests.cluster.scratch_images import PROBE, write_archive
from tests.cluster.tests.probes import a_claim, a_namespace, a_pod, open_front_door, wait_for_output

# One after the other: the clusters of several pytest workers could exceed the kernel's limit of inotify instances.
pytestmark = [pytest.mark.processes, pytest.mark.timeout(900), pytest.mark.xdist_group("clusters")]

FRONT_DOOR = "fedjobs.test"
KUBELET = 10250


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    """A federation's and a silo's cluster, with the probe's image. The federation's front door is open."""
    if not all(map(binaries.built, binaries.FOR_KIND)):
        pytest.skip("the clusters' programs were not built: python -m tests.cluster build")
    if lacks := [*kind.lacks(), *requirements.missing_for_links()]:
        pytest.skip(f"no clusters: {'; '.join(lacks)}")
    name = f"test-{uuid.uuid4().hex[:6]}"
    idle = not kind.all_names()
    try:
        federation, silo = kind.up(f"{name}-f"), kind.up(f"{name}-s")
        archive = write_archive(PROBE, federation.bin / "probe", tmp_path_factory.mktemp("images") / "probe")
        for each in (federation, silo):
            each.load_images([archive])
        open_front_door(federation)
        yield federation, silo
    finally:
        for suffix in "fs":
            kind.down(f"{name}-{suffix}")
    assert not {f"{name}-f", f"{name}-s"} & set(kind.all_names())
    if idle and dockers.of_machine() is None:
        assert docker_daemons.existing() is None
        assert not Path(f"/run/netns/{docker_daemons.NAMESPACE}").exists()


@pytest.fixture
def cluster(pair: tuple[Cluster, Cluster]) -> Cluster:
    """The federation's cluster."""
    return pair[0]


def test_a_pod_finds_services_by_name_and_reaches_this_machine(cluster: Cluster) -> None:
    with socket.create_server((cluster.machine_address, 0)) as server:
        machine = f"{cluster.machine_address}:{server.getsockname()[1]}"
        tries = ("resolve", "kubernetes.default.svc.cluster.local", "dial", "kubernetes.default.svc:443")
        namespace = a_namespace(cluster)
        cluster.kubectl.apply(yaml.safe_dump(a_pod(namespace, *tries, "dial", machine)))
        assert wait_for_output(cluster, namespace).count("done") == 3


@pytest.mark.parametrize("mode", ["ReadWriteOnce", "ReadWriteOncePod"])
def test_a_pod_of_any_user_writes_to_a_claim_of_the_default_class(cluster: Cluster, mode: str) -> None:
    namespace = a_namespace(cluster)
    manifests = [a_claim(namespace, mode), a_pod(namespace, "write", "/data/file", claim="data")]
    cluster.kubectl.apply(yaml.safe_dump_all(manifests))
    assert "done" in wait_for_output(cluster, namespace)


def test_a_killed_container_ends_as_one_that_the_kernel_killed(cluster: Cluster) -> None:
    namespace = a_namespace(cluster)
    cluster.kubectl.apply(yaml.safe_dump(a_pod(namespace, "wait")))
    cluster.kubectl("wait", "pod/probe", "-n", namespace, "--for=condition=Ready", "--timeout=120s")
    cluster.kill_container(namespace, "probe", "probe")
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    asked = ("get", "pod", "probe", "-n", namespace, "-o", code)
    wait_until("the container ends", lambda: cluster.kubectl(*asked) != "")
    assert cluster.kubectl(*asked) == "137"
    with pytest.raises(ClusterError, match="does not run"):
        cluster.kill_container(namespace, "probe", "probe")


def test_a_declared_gpu_is_scheduled_once(cluster: Cluster) -> None:
    namespace = a_namespace(cluster)
    cluster.declare_gpus(1)
    try:
        for name, condition in (("first", "Ready"), ("second", "PodScheduled=false")):
            pod = a_pod(namespace, "wait")
            pod["metadata"]["name"] = name
            pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
            cluster.kubectl.apply(yaml.safe_dump(pod))
            cluster.kubectl("wait", f"pod/{name}", "-n", namespace, f"--for=condition={condition}", "--timeout=60s")
    finally:
        cluster.declare_gpus(0)


def test_it_has_no_problems_and_is_kept_and_its_kubeconfig_refers_to_it(cluster: Cluster) -> None:
    assert cluster.problems() == []
    assert kind.up(cluster.name) == opened(cluster.kubeconfig) == cluster
    cluster.kubectl("delete", "configmap", NAME, "-n", NAMESPACE)
    try:
        with pytest.raises(ClusterError, match="is not a test cluster"):
            opened(cluster.kubeconfig)
    finally:
        mark(cluster.kubectl, cluster.name)


def test_kubernetes_own_pods_leave_enough_of_two_cores_for_the_tests(cluster: Cluster) -> None:
    """Four silos and two jobs with two workers each request 1.95 cores."""
    pods = json.loads(cluster.kubectl("get", "pods", "--namespace=kube-system", "-o", "json"))["items"]
    containers = [container for pod in pods for container in pod["spec"]["containers"]]
    asked = [container["resources"].get("requests", {}).get("cpu", "0m") for container in containers]
    assert sum(int(cpu.removesuffix("m")) for cpu in asked) <= 50


def test_requests_are_in_the_audit_log(cluster: Cluster) -> None:
    first = json.loads(cluster.audit_log.read_text().splitlines()[0])
    assert {"verb", "user", "responseStatus"} <= first.keys()


def test_a_silo_reaches_only_the_front_door_and_nobody_reaches_the_silo(
    pair: tuple[Cluster, Cluster],
) -> None:
    federation, silo = pair
    link = links.join(silo, federation)
    silo.answer_for({FRONT_DOOR: link.address})
    namespace = a_namespace(silo)
    tries = ("dial", f"{FRONT_DOOR}:443", "dial", f"j-0123.{FRONT_DOOR}:443", "resolve", "kubernetes.default.svc")

    silo.kubectl.apply(yaml.safe_dump(a_pod(namespace, *tries)))

    assert wait_for_output(silo, namespace).count("done") == 3
    counted = link.counted()
    assert counted.answers > 0
    assert counted.sent > 0
    assert (counted.let_in, counted.turned_away, counted.held_back) == (0, 0, 0)
    for port in (API_SERVER, KUBELET):
        assert reaches(federation.inside, federation.address, port)  # the port is open
        assert not reaches(silo.inside, federation.address, port, patience=1)
        assert not reaches(federation.inside, silo.address, port, patience=1)
    counted = link.counted()
    assert counted.held_back > 0
    assert counted.turned_away > 0
    assert counted.let_in == 0
    assert silo.problems() == []  # this machine can still reach the silo


def test_a_packet_that_passes_is_counted_and_a_link_can_be_replaced(pair: tuple[Cluster, Cluster]) -> None:
    """Shows that the zeros of the other tests mean something."""
    federation, silo = pair
    link = links.join(silo, federation)
    hole = (requirements.program("nft"), "insert", "rule", "inet", TABLE, "arriving", "accept")
    subprocess.run(silo.inside(*hole), check=True)
    assert reaches(federation.inside, silo.address, API_SERVER)
    assert link.counted().let_in > 0

    assert links.join(silo, federation) == link

    assert link.counted().let_in == link.counted().turned_away == 0
    assert reaches(silo.inside, link.address, links.FRONT_DOOR_PORT)
    assert not reaches(federation.inside, silo.address, API_SERVER, patience=1)


def test_a_silo_behind_a_proxy_reaches_nothing_directly(pair: tuple[Cluster, Cluster]) -> None:
    federation, silo = pair
    link = links.join(silo, federation, through_proxy=True)
    assert link.proxy
    way = (link.proxy.address, proxies.PORT)

    assert not reaches(silo.inside, link.address, links.FRONT_DOOR_PORT, patience=1)
    assert link.counted().held_back > 0
    assert reaches_through(silo.inside, way, link.address, links.FRONT_DOOR_PORT)
    assert link.proxy.asked_for()[-1].startswith(f"{link.address}:{links.FRONT_DOOR_PORT}")
    assert not reaches_through(silo.inside, way, link.address, API_SERVER)
    namespace = a_namespace(silo)
    silo.kubectl.apply(yaml.safe_dump(a_pod(namespace, "dial", f"{link.proxy.address}:{proxies.PORT}")))
    assert "done" in wait_for_output(silo, namespace)
