"""Two silos in separate clusters. Firewalls block all inbound connections, and one silo needs a proxy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster import images, kind, links
from tests.cluster.clusters import Cluster
from tests.cluster.images import Target
from tests.cluster.links import Link
from tests.e2e.federations import Federation
from tests.e2e.installations import FRONT_DOOR
from tests.e2e.sites import Site, example_records, example_values

NORTH, SOUTH = "clinic-north", "clinic-south"
BOTH = (NORTH, SOUTH)
CLUSTERS = {NORTH: "e2e-north", SOUTH: "e2e-south"}


@dataclass(frozen=True)
class Outside:
    """The links from both clusters to the federation's cluster.

    Attributes:
        north: This silo resolves the front door's names by DNS.
        south: This silo uses a proxy, and its values contain the front door's address.
    """

    north: Link
    south: Link

    @property
    def both(self) -> tuple[Link, Link]:
        return self.north, self.south


@contextmanager
def starting(*, keep: bool) -> Iterator[Future[list[Cluster]]]:
    """Starts both clusters in the background. The first one is north's. Both can run workers.

    Args:
        keep: Whether to keep them running.
    """
    [archive] = images.build([Target.WORKER])

    def start_one(name: str) -> Cluster:
        cluster = kind.up(name)
        cluster.load_images([archive])
        return cluster

    with ThreadPoolExecutor() as pool:
        each = [pool.submit(start_one, name) for name in CLUSTERS.values()]
        try:
            yield pool.submit(lambda: [cluster.result() for cluster in each])
        finally:
            wait(each)
            for name in () if keep else CLUSTERS.values():
                kind.down(name)


def linked(clusters: Sequence[Cluster], federation: Cluster) -> Outside:
    """Links both clusters to the federation's cluster."""
    north, south = clusters
    outside = Outside(links.join(north, federation), links.join(south, federation, through_proxy=True))
    north.answer_for({FRONT_DOOR: outside.north.address})
    return outside


def settle(federation: Federation, outside: Outside) -> None:
    """Adds both silos to the federation, with the commands of their invitations."""
    places = list(zip(BOTH, outside.both, ("hospital-a", "hospital-b"), strict=True))
    federation.settle_all(
        (Site(silo, link.silo), values(silo, link, hospital), example_records(hospital))
        for silo, link, hospital in places
    )


def values(silo: str, link: Link, hospital: str) -> dict[str, Any]:
    """Returns what this silo's administrator writes into the silo's file: datasets, and how to reach the federation."""
    way_out: dict[str, Any] = {}
    if link.proxy:
        way_out = {"proxy": {"url": link.proxy.url}, "dialAddress": f"{link.address}:{link.port}"}
    return example_values(hospital, silo=silo, **way_out)
