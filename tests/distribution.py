"""A pytest plugin that distributes the tests over the workers of pytest-xdist. tests/conftest.py registers it.

The tests of one module run on one worker, so that they share the module's fixtures. A worker starts each server of a
session-scoped fixture at most once (an API server, a runner host, a local federation), and never shares it with
another worker. So any two modules may run at the same time, unless they have the same `xdist_group` mark. This mark is
for tests that need something that exists only once on a machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

SLOW = ("processes", "api_server", "training")  # marks
SLOW_FIXTURES = frozenset({"api_server", "api_server_with_controllers", "runner_host"})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Sets the groups before pytest-xdist reads them, and sorts the modules after pytest-randomly has shuffled them."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_module_of(item)))
    yield
    # Modules that start processes come first. Short modules at the end keep all workers busy.
    slow = {_module_of(item) for item in items if _is_slow(item)}
    items.sort(key=lambda item: _module_of(item) not in slow)


def pytest_xdist_auto_num_workers() -> int:
    """Returns one and a half workers per core, because tests with processes wait more than they compute."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def _is_slow(item: pytest.Item) -> bool:
    return any(map(item.get_closest_marker, SLOW)) or bool(SLOW_FIXTURES & set(getattr(item, "fixturenames", ())))


def _module_of(item: pytest.Item) -> str:
    return item.nodeid.split("::")[0]
