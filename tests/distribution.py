"""How pytest-xdist spreads the tests over its workers, as a plugin; tests/conftest.py makes it known.

The tests of one module run on one worker, so that they share what the module has started. A worker starts each server
of a session-scoped fixture at most once (an API server, a runner host, a local federation), and never shares it with
another worker. So any two modules may run side by side, unless they carry the same `xdist_group` mark: that mark is
for tests that need something of which a machine has only one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

SLOW = ("processes", "api_server", "training")  # marks
SLOW_FIXTURES = frozenset({"api_server", "api_server_with_controllers", "runner_host"})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Set the groups before pytest-xdist reads them, and sort the modules after pytest-randomly has shuffled."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_module_of(item)))
    yield
    # Modules that start processes come first, so that short ones are left to keep all workers busy at the end.
    slow = {_module_of(item) for item in items if _is_slow(item)}
    items.sort(key=lambda item: _module_of(item) not in slow)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as cores: tests with processes wait more than they compute."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def _is_slow(item: pytest.Item) -> bool:
    return any(map(item.get_closest_marker, SLOW)) or bool(SLOW_FIXTURES & set(getattr(item, "fixturenames", ())))


def _module_of(item: pytest.Item) -> str:
    return item.nodeid.split("::")[0]
