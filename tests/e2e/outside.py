"""Two silos in clusters of their own, behind firewalls that let nothing in; one has a proxy as its only way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster import images, links, local
from tests.cluster.images import Target
from tests.cluster.links import Link
from tests.cluster.local import LocalCluster
from tests.e2e.federations import Federation
from tests.e2e.installations import FRONT_DOOR
from tests.e2e.sites import Site, example_records, example_values

NORTH, SOUTH = "clinic-north", "clinic-south"
BOTH = (NORTH, SOUTH)
CLUSTERS = {NORTH: "e2e-north", SOUTH: "e2e-south"}


@dataclass(frozen=True)
class Outside:
    """The links of both clusters to the federation's.

    Attributes:
        north: knows the front door by its names.
        south: has a proxy, and is told the front door's address.
    """

    north: Link
    south: Link

    @property
    def both(self) -> tuple[Link, Link]:
        return self.north, self.south


@contextmanager
def linked(cluster: LocalCluster, *, keep: bool) -> Iterator[Outside]:
    """The clusters, which can run workers, with nothing installed.

    Args:
        cluster: the federation's.
        keep: whether they are left running.
    """
    with ExitStack() as stack:
        [archive] = images.build([Target.WORKER])
        silos: list[LocalCluster] = []
        for name in CLUSTERS.values():
            if not keep:
                stack.callback(local.down, name)
            silos.append(local.up(name))
            silos[-1].prepare()
            silos[-1].load_images([archive])
        north, south = silos
        outside = Outside(links.join(north, cluster), links.join(south, cluster, through_proxy=True))
        north.answer_for({FRONT_DOOR: outside.north.address})
        yield outside


def settle(federation: Federation, outside: Outside) -> None:
    """Have both silos in the federation, by the lines of their invitations."""
    for silo, link, hospital in zip(BOTH, outside.both, ("hospital-a", "hospital-b"), strict=True):
        federation.settle(Site(silo, link.silo), values(silo, link, hospital), example_records(hospital))


def values(silo: str, link: Link, hospital: str) -> dict[str, Any]:
    """What this silo's administrator writes into the silo's file: an example's datasets, and the way out."""
    way_out: dict[str, Any] = {}
    if link.proxy:
        way_out = {"proxy": {"url": link.proxy.url}, "dialAddress": f"{link.address}:{link.port}"}
    return example_values(hospital, silo=silo, **way_out)
