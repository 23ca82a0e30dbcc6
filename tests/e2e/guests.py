"""Silos that are part of the federation during one test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.e2e.federations import Federation
from tests.e2e.installations import INSIDE
from tests.e2e.sites import Site, example_records, example_values


@contextmanager
def guests(federation: Federation, hospitals: Mapping[str, str]) -> Iterator[None]:
    """Adds several silos at the same time. `hospitals` maps a silo's name to the hospital whose data it gets."""
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        each = [guest(federation, silo, hospital) for silo, hospital in hospitals.items()]
        list(pool.map(stack.enter_context, each))
        yield


@contextmanager
def guest(federation: Federation, silo: str, hospital: str, **values: Any) -> Iterator[Site]:
    """Invites a silo and installs it in the federation's own cluster.

    Args:
        federation: The federation to which the silo is added.
        silo: Name of the silo.
        hospital: The hospital whose data and silo file the silo gets.
        values: Further values of the silo's chart.
    """
    site = Site(silo, federation.cluster, f"fedjobs-{silo}")
    try:
        settled = example_values(hospital, silo=silo, dialAddress=INSIDE, **values)
        federation.settle(site, settled, example_records(hospital), anew=True)
        yield site
    finally:
        federation.leave(site)
