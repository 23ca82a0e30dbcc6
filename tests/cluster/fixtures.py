"""The API servers that tests speak to, as fixtures; tests/conftest.py makes them known everywhere."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.cluster import binaries, requirements
from tests.cluster.api_servers import ApiServer, running_api_server
from tests.cluster.binaries import Module
from tests.cluster.errors import ClusterError

API_SERVERS = {"api_server", "api_server_with_controllers"}  # fixtures that start no more than these
WHOLE = {"cluster", "cluster_name", "clusters"}  # fixtures by which tests ask for whole clusters


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server and etcd, without controllers: nothing happens there but what the test does."""
    yield from _running(tmp_path_factory, with_controllers=False)


@pytest.fixture(scope="session")
def api_server_with_controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """As api_server, and Jobs make pods (which stay Pending), what is deleted takes along what it owns."""
    yield from _running(tmp_path_factory, with_controllers=True)


@pytest.fixture
def api_namespace(api_server: ApiServer) -> str:
    """A namespace of api_server for one test; it goes with the server."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", name)
    return name


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the chosen tests need before the first of them: it takes minutes once, and a test has a time limit."""
    wanted = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    if wanted & WHOLE and not requirements.missing_for_cluster(programs_built=False):
        modules: tuple[Module, ...] = binaries.CLUSTER
    elif wanted & (WHOLE | API_SERVERS) and not requirements.missing_for_api_server(programs_built=False):
        modules = (Module.KUBERNETES,)
    else:
        return  # nothing to do, or the fixture will say what is missing
    with contextlib.suppress(ClusterError):  # likewise
        binaries.ensured(*modules, say=lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201


def _running(folders: pytest.TempPathFactory, *, with_controllers: bool) -> Iterator[ApiServer]:
    try:
        running = running_api_server(folders.mktemp("api-server"), with_controllers=with_controllers)
        server = running.__enter__()
    except ClusterError as problem:
        give_up(f"no API server: {problem}")
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


def require_local_clusters() -> None:
    """Give up where a whole cluster cannot run."""
    lacks = requirements.missing_for_cluster(binaries.built(*binaries.CLUSTER))
    if lacks:
        give_up(f"no cluster: {'; '.join(lacks)}")


def give_up(reason: str) -> NoReturn:
    """Skip the test, loudly; where continuous integration runs, it must not go unseen, and fails."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"{reason} (a failure and not a skip, because CI is set)", pytrace=False)
    pytest.skip(reason)
