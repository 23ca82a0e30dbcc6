"""A worker that gets its certificate from the hub, and continues its session after a renewal."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import Identity, Peer, server_name
from fedjobs_protocol.identities.renewals import Renewing
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.sessions.renewed_sessions import RenewedSessionClient

from tests.protocol.coordinators import JOB, SILO, Coordinator
from tests.protocol.memory_coordinators import MemoryCoordinator

REQUEST = pb.JoinRequest(protocol_versions=[1, 2], shard_formats=[1])


class Backend(MemoryCoordinator):
    """Refuses calls on demand, as if the client's certificate had expired."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.refusals = 0

    async def heartbeat(self, peer: Peer, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        if self.refusals:
            self.refusals -= 1
            raise FedjobsError(ErrorCode.CERTIFICATE_EXPIRED, "The certificate ended.")
        return await super().heartbeat(peer, request)


class FakeHub:
    """The part of the hub that `Renewing` uses."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self.trouble: FedjobsError | None = None

    def obtain(self) -> Identity:
        if self.trouble is not None:
            raise self.trouble
        return self._coordinator.authority.issue_silo(JOB, SILO, datetime.timedelta(hours=1))

    def renew(self, _last: Identity) -> Identity:
        return self.obtain()


class Scenario:
    """A client and its dependencies."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.coordinator = coordinator
        self.issuing = FakeHub(coordinator)
        self.renewing = Renewing(self.issuing.obtain, self.issuing.renew)
        self.channels: list[grpc.Channel] = []
        self.renewing.start()
        self.renewing.first()
        self.client = RenewedSessionClient(self.renewing, self._connect)

    def refuse(self, times: int) -> None:
        def refusing(backend: Any) -> None:
            backend.refusals = times

        self.coordinator.do(refusing)

    def renew(self) -> None:
        current = self.renewing.current()
        self.renewing.hurry(current)
        assert self.renewing.after(current, 20) != current

    def close(self) -> None:
        self.client.close()
        self.renewing.close()

    def _connect(self, identity: Identity) -> grpc.Channel:
        self.channels.append(open_channel(self.coordinator.address, server_name(JOB), identity))
        return self.channels[-1]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Scenario]:
    with Coordinator(tmp_path, Backend) as coordinator:
        setting = Scenario(coordinator)
        yield setting
        setting.close()


def test_a_renewed_certificate_is_used_for_the_next_call(setting: Scenario) -> None:
    joined = setting.client.join(REQUEST)
    setting.client.heartbeat(joined.session_id)
    assert len(setting.channels) == 1
    setting.renew()
    setting.client.heartbeat(joined.session_id)  # the session is the same
    assert len(setting.channels) == 2


def test_a_call_that_is_refused_for_its_certificate_is_retried_with_a_new_one(setting: Scenario) -> None:
    joined = setting.client.join(REQUEST)
    setting.refuse(1)
    setting.client.heartbeat(joined.session_id)
    assert len(setting.channels) == 2


def test_a_second_refusal_is_an_unavailable_coordinator(setting: Scenario) -> None:
    joined = setting.client.join(REQUEST)
    setting.refuse(2)
    with pytest.raises(FedjobsError) as caught:
        setting.client.heartbeat(joined.session_id)
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_a_permanent_refusal_by_the_hub_ends_the_worker(setting: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedjobs_worker.sessions.renewed_sessions._RENEWAL_S", 2.0)
    joined = setting.client.join(REQUEST)
    setting.issuing.trouble = FedjobsError(ErrorCode.INVALID_TOKEN, "another pod's")
    setting.refuse(1)
    with pytest.raises(FedjobsError, match="another pod's"):
        setting.client.heartbeat(joined.session_id)


def test_a_pending_call_ends_on_the_old_connection(setting: Scenario) -> None:
    joined = setting.client.join(REQUEST)
    waiting, answered = threading.Event(), threading.Event()
    call: Callable[..., pb.PullWorkResponse] = setting.client.pull_work

    def pull() -> None:
        waiting.set()
        call(joined.session_id)
        answered.set()

    threading.Thread(target=pull, daemon=True).start()
    assert waiting.wait(20)
    setting.renew()
    setting.client.heartbeat(joined.session_id)
    assert answered.wait(20)
