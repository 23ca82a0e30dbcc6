"""Fixtures with API servers. tests/conftest.py registers them for all tests."""

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

API_SERVERS = {"api_server", "api_server_with_controllers"}  # fixtures that start an API server only


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with etcd and without controllers. Objects change only if the test changes them."""
    yield from _running(tmp_path_factory, with_controllers=False)


@pytest.fixture(scope="session")
def api_server_with_controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with controllers: Jobs create pods (which stay Pending), and the garbage collector runs."""
    yield from _running(tmp_path_factory, with_controllers=True)


@pytest.fixture
def api_namespace(api_server: ApiServer) -> str:
    """A new namespace of api_server for one test. It is deleted with the server."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", name)
    return name


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds what the selected tests need before the first test, because it takes minutes and tests have a timeout."""
    wanted = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    if not wanted & API_SERVERS or requirements.missing_for_api_server(programs_built=False):
        return  # nothing to build, or the fixture reports what is missing
    with contextlib.suppress(ClusterError):  # the fixture reports it
        binaries.ensured(Module.KUBERNETES, say=lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201


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


def give_up(reason: str) -> NoReturn:
    """Skips the test with a reason. In continuous integration, it fails the test, so that nobody overlooks it."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"{reason} (a failure and not a skip, because CI is set)", pytrace=False)
    pytest.skip(reason)
