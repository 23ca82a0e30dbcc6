"""Two silos' clusters and a federation's: connections from a silo to the front door work, and all others fail."""

from __future__ import annotations

import functools
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.cluster import links, local, proxies, requirements
from tests.cluster.clusters import Cluster
from tests.cluster.firewalls import TABLE
from tests.cluster.fixtures import give_up, require_local_clusters
from tests.cluster.links import Link
from tests.cluster.load_balancers import balance
from tests.cluster.local import LocalCluster
from tests.cluster.networks import inside
from tests.cluster.reaching import reaches, reaches_through
from tests.cluster.readiness import wait_until
from tests.cluster.scratch_images import PROBE, write_archive
from tests.cluster.tests.test_local_clusters import a_pod, wait_for_output

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("clusters")]

FRONT_DOOR = "fedjobs.test"
API_SERVER, KUBELET = 6443, 10250


@dataclass(frozen=True)
class Clusters:
    """The clusters. One silo has a link to the federation, and the other uses a proxy."""

    federation: LocalCluster
    direct: Link
    proxied: Link


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    """Three clusters. A server listens at the federation's front door."""
    require_local_clusters()
    if lacks := requirements.missing_for_links():
        give_up(f"no links between clusters: {'; '.join(lacks)}")
    name = f"net-{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:

        def up(suffix: str) -> LocalCluster:
            stack.callback(local.down, f"{name}-{suffix}")
            return local.up(f"{name}-{suffix}")

        federation, silo, behind_proxy = up("f"), up("a"), up("b")
        archive = tmp_path_factory.mktemp("images") / "probe"
        for each in (federation, silo, behind_proxy):
            each.load_images([write_archive(PROBE, each.bin / "probe", archive)])
        open_front_door(federation)
        yield Clusters(
            federation, links.join(silo, federation), links.join(behind_proxy, federation, through_proxy=True)
        )


def open_front_door(cluster: Cluster) -> None:
    """Starts a pod that listens behind a load balancer."""
    spec: dict[str, Any] = {"type": "LoadBalancer", "ports": [{"port": links.FRONT_DOOR_PORT, "targetPort": 8443}]}
    metadata = {"name": "front-door", "namespace": "default"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": spec | {"selector": {"app": "probe"}},
    }
    cluster.kubectl.apply(yaml.safe_dump_all([a_pod("default", "listen", ":8443", "wait"), service]))
    address = balance(cluster, "default", "front-door")
    wait_until("the front door is open", lambda: reaches(cluster.inside, address, links.FRONT_DOOR_PORT))


def a_namespace(cluster: Cluster) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    return name


def test_a_pod_of_a_silo_reaches_the_front_door_by_any_of_its_names(clusters: Clusters) -> None:
    silo, before = clusters.direct.silo, clusters.direct.counted()
    silo.answer_for({FRONT_DOOR: clusters.direct.address})
    namespace = a_namespace(silo)

    tries = ("dial", f"{FRONT_DOOR}:443", "dial", f"j-0123.{FRONT_DOOR}:443", "resolve", "kubernetes.default.svc")
    silo.kubectl.apply(yaml.safe_dump(a_pod(namespace, *tries)))

    assert wait_for_output(silo, namespace).count("done") == 3
    after = clusters.direct.counted()
    assert after.sent > before.sent
    assert after.answers > before.answers
    assert (after.let_in, after.turned_away - before.turned_away) == (0, 0)


def test_a_silo_cannot_reach_other_ports_of_the_federation(clusters: Clusters) -> None:
    link, federation = clusters.direct, clusters.federation.network
    pod = clusters.federation.kubectl("get", "pod", "probe", "-o", "jsonpath={.status.podIP}")
    for address, port in ((federation.node, API_SERVER), (federation.node, KUBELET), (pod, 8443)):
        before = link.counted().held_back
        assert reaches(federation.inside, address, port)  # the port is open
        assert not reaches(link.silo.network.inside, address, port, patience=1)
        assert link.counted().held_back > before


def test_nobody_reaches_a_silo(clusters: Clusters) -> None:
    link, silo = clusters.direct, clusters.direct.silo
    silo.kubectl.apply(yaml.safe_dump(a_pod("default", "listen", ":8443", "wait")))
    silo.kubectl("wait", "pod/probe", "--for=condition=Ready", "--timeout=60s")
    pod = silo.kubectl("get", "pod", "probe", "-o", "jsonpath={.status.podIP}")
    service = str(silo.network.services[1])
    targets = ((silo.network.node, API_SERVER), (link.silo_end, KUBELET), (pod, 8443), (service, 443))
    for address, port in targets:
        before = link.counted().turned_away
        assert reaches(silo.network.inside, silo.network.node if address == link.silo_end else address, port)
        assert not reaches(clusters.federation.network.inside, address, port, patience=1)
        assert link.counted().turned_away > before
    assert link.counted().let_in == 0


def test_this_machine_forwards_no_connections_to_a_silo(clusters: Clusters) -> None:
    """Tests control a silo's cluster by a separate link. Only they can use it."""
    link = clusters.direct
    before = link.counted()
    assert not reaches(link.silo.network.inside, link.silo.network.machine, 1, patience=1)
    assert link.counted().held_back > before.held_back


def test_a_silo_behind_a_proxy_reaches_nothing_directly(clusters: Clusters) -> None:
    link = clusters.proxied
    assert link.proxy
    silo, way = link.silo.network, (link.proxy.address, proxies.PORT)

    assert not reaches(silo.inside, link.address, 443, patience=1)
    assert link.counted().held_back > 0
    assert reaches_through(silo.inside, way, link.address, 443)
    assert link.proxy.asked_for()[-1].startswith(f"{link.address}:443")
    assert not reaches_through(silo.inside, way, link.address, API_SERVER)


def test_a_pod_behind_a_proxy_reaches_the_proxy_only(clusters: Clusters) -> None:
    link = clusters.proxied
    assert link.proxy
    namespace = a_namespace(link.silo)
    link.silo.kubectl.apply(yaml.safe_dump(a_pod(namespace, "dial", f"{link.proxy.address}:{proxies.PORT}")))
    assert "done" in wait_for_output(link.silo, namespace)


def test_nobody_reaches_a_silo_from_its_proxy(clusters: Clusters) -> None:
    link = clusters.proxied
    at_the_proxy = functools.partial(inside, link.outside)
    assert not reaches(at_the_proxy, link.silo.network.node, API_SERVER, patience=1)
    assert not reaches(clusters.federation.network.inside, link.silo.network.node, API_SERVER, patience=1)
    assert link.counted().turned_away > 0
    assert link.counted().let_in == 0


def test_a_packet_that_passes_is_counted_and_a_link_can_be_replaced(clusters: Clusters) -> None:
    """Shows that the zeros of the other tests mean something."""
    link = clusters.direct
    hole = (requirements.program("nft"), "insert", "rule", "inet", TABLE, "arriving", "accept")
    subprocess.run(link.silo.network.inside(*hole), check=True)
    assert reaches(clusters.federation.network.inside, link.silo.network.node, API_SERVER)
    assert link.counted().let_in > 0

    assert links.join(link.silo, clusters.federation) == link

    assert link.counted().let_in == link.counted().turned_away == 0
    assert reaches(link.silo.network.inside, link.address, 443)
    assert not reaches(clusters.federation.network.inside, link.silo.network.node, API_SERVER, patience=1)
