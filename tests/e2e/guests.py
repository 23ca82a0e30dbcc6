"""A silo that is in the federation for one test."""

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
    """Several at once: whose data each has, by their names."""
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        each = [guest(federation, silo, hospital) for silo, hospital in hospitals.items()]
        list(pool.map(stack.enter_context, each))
        yield


@contextmanager
def guest(federation: Federation, silo: str, hospital: str, **values: Any) -> Iterator[Site]:
    """Invited and installed in the federation's own cluster.

    Args:
        federation: to which it comes.
        silo: its name.
        hospital: whose data and file it has.
        values: further ones of its chart.
    """
    site = Site(silo, federation.cluster, f"fedjobs-{silo}")
    try:
        settled = example_values(hospital, silo=silo, dialAddress=INSIDE, **values)
        federation.settle(site, settled, example_records(hospital), anew=True)
        yield site
    finally:
        federation.leave(site)
