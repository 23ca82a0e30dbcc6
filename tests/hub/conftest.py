from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.api_servers import ApiServer
from tests.hub.hubs import Federation, running_federation


@pytest.fixture(scope="module")
def federation(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """One hub for all tests of a module. Each test uses its own silos."""
    with running_federation(api_server, tmp_path_factory.mktemp("federation")) as federation:
        yield federation
        assert [hub.process.poll() for hub in federation.hubs] == [None] * len(federation.hubs)
        assert not [hub.log.read_text() for hub in federation.hubs if "Traceback" in hub.log.read_text()]
