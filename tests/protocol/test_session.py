from __future__ import annotations

import asyncio
import socket

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import RunAuthority, server_name
from fedjobs_protocol.sessions.session_server import SessionServer

from .coordinators import JOB, BackendFactory
from .memory_coordinators import MemoryCoordinator
from .session_contract import SessionContract


class TestSessionOfMemoryCoordinator(SessionContract):
    @pytest.fixture
    def make_backend(self) -> BackendFactory:
        return MemoryCoordinator


def test_a_port_in_use_is_an_error_that_names_it(tmp_path):
    identity = RunAuthority.create().issue_coordinator(JOB, server_name(JOB))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        async def start() -> None:
            await SessionServer(MemoryCoordinator(tmp_path), lambda: identity, address).start()

        with pytest.raises(FedjobsError, match=address) as raised:
            asyncio.run(start())
    assert raised.value.code is ErrorCode.PORT_IN_USE
