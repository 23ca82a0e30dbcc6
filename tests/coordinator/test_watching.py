"""The operator watches a coordinator's status, and others may not, over mutual TLS on the loopback interface."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import Phase, Status
from fedjobs_coordinator.coordinator import Coordinator
from fedjobs_coordinator.status.status_reports import StatusReports
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import Identity, RunAuthority, server_name
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.reports.reports_client import open_reports, watch
from fedjobs_protocol.sessions.session_client import SessionClient

from .builders import ALICE, JOB, JOIN, a_job

AUTHORITY = RunAuthority.create()


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    identity = AUTHORITY.issue_coordinator(JOB, server_name(JOB))
    coordinator = Coordinator(a_job(), lambda: identity, tmp_path, "127.0.0.1:0")
    yield coordinator
    if coordinator.progress.status.phase is not Phase.COMPLETE:
        coordinator.close("Suspended")


def _watch(coordinator: Coordinator, identity: Identity | None = None) -> AsyncIterator[Status]:
    return watch(coordinator.address, server_name(JOB), identity or AUTHORITY.issue_operator())


def _first(coordinator: Coordinator, identity: Identity | None = None) -> Status:
    async def first() -> Status:
        async with aclosing(_watch(coordinator, identity)) as statuses:  # type: ignore[type-var]
            return await anext(statuses)

    return asyncio.run(first())


def _refused(call: Callable[[], object]) -> FedjobsError:
    with pytest.raises(FedjobsError) as raised:
        call()
    assert raised.value.code is ErrorCode.INVALID_CERTIFICATE
    return raised.value


def test_the_operator_gets_the_status_immediately(coordinator: Coordinator) -> None:
    status = _first(coordinator)
    assert (status.job_uid, status.phase, status.generation) == (JOB, Phase.STARTING, 1)
    assert [silo.name for silo in status.silos] == ["alice", "bob"]


def test_the_operator_gets_each_change_until_the_last_one(coordinator: Coordinator) -> None:
    async def heard() -> list[tuple[Phase, int]]:
        found: list[tuple[Phase, int]] = []
        async for status in _watch(coordinator):
            found.append((status.phase, status.round))
            if status.phase is Phase.STARTING:
                coordinator.progress.phase(Phase.RUNNING)
                coordinator.progress.round_finished(1, {"loss": float("nan")}, [ALICE])
            elif status.phase is Phase.RUNNING:
                coordinator.progress.phase(Phase.COMPLETE)
                await asyncio.to_thread(coordinator.close, "Complete")
        return found

    assert asyncio.run(heard()) == [(Phase.STARTING, 0), (Phase.RUNNING, 1), (Phase.COMPLETE, 1)]


def test_a_silo_may_not_watch(coordinator: Coordinator) -> None:
    error = _refused(lambda: _first(coordinator, AUTHORITY.issue_silo(JOB, ALICE)))
    assert "not the operator's" in error.public


def test_the_operator_may_not_make_a_silos_calls(coordinator: Coordinator) -> None:
    with open_channel(coordinator.address, server_name(JOB), AUTHORITY.issue_operator()) as channel:
        silo = SessionClient(channel)
        error = _refused(lambda: silo.join(JOIN))
        assert "fedjobs:operator" in error.public
        for call in (
            lambda: silo.pull_work("session"),
            lambda: silo.heartbeat("session"),
            lambda: silo.stat_blob("session", "work"),
            lambda: silo.put_blob("session", "work", b"value"),
            lambda: silo.fetch_blob("session", bytes(32), 1, lambda _: None),
        ):
            _refused(call)


def test_the_operator_excludes_silos_and_readmits_them(coordinator: Coordinator) -> None:
    async def exclude(identity: Identity, *exclusions: Exclusion) -> None:
        async with open_reports(coordinator.address, server_name(JOB), identity) as reports:
            await reports.exclude(exclusions)

    suspended = Exclusion(ALICE, ErrorCode.SILO_SUSPENDED, "It is suspended.")
    with open_channel(coordinator.address, server_name(JOB), AUTHORITY.issue_silo(JOB, ALICE)) as channel:
        silo = SessionClient(channel)
        _refused(lambda: asyncio.run(exclude(AUTHORITY.issue_silo(JOB, ALICE), suspended)))
        silo.join(JOIN)
        asyncio.run(exclude(AUTHORITY.issue_operator(), suspended))
        with pytest.raises(FedjobsError, match="It is suspended") as raised:
            silo.join(JOIN)
        assert raised.value.code is ErrorCode.SILO_SUSPENDED
        asyncio.run(exclude(AUTHORITY.issue_operator()))
        silo.join(JOIN)


def test_an_operator_with_an_expired_certificate_is_asked_to_renew_it(coordinator: Coordinator) -> None:
    """TLS checks the certificate once, at the handshake. A connection may last longer."""

    async def told() -> None:
        identity = AUTHORITY.issue_operator(datetime.timedelta(seconds=3))
        async with open_reports(coordinator.address, server_name(JOB), identity) as reports:
            await reports.exclude(())
            while True:
                await reports.exclude(())
                await asyncio.sleep(0.2)

    with pytest.raises(FedjobsError) as raised:
        asyncio.run(told())
    assert raised.value.code is ErrorCode.CERTIFICATE_EXPIRED


def test_an_operator_of_another_authority_cannot_connect(coordinator: Coordinator) -> None:
    stranger = Identity(
        *(getattr(RunAuthority.create().issue_operator(), part) for part in ("certificate", "key")),
        trust=AUTHORITY.coordinators.certificate,
    )
    with pytest.raises(FedjobsError) as raised:
        _first(coordinator, stranger)
    assert raised.value.code is ErrorCode.UNAVAILABLE


def test_a_missing_coordinator_is_a_retryable_error() -> None:
    async def first() -> Status:
        return await anext(watch("127.0.0.1:1", server_name(JOB), AUTHORITY.issue_operator()))

    with pytest.raises(FedjobsError) as raised:
        asyncio.run(first())
    assert raised.value.retryable


# --- the stream itself


def test_an_unchanged_status_is_not_sent_again_and_a_stream_ends_by_itself() -> None:
    async def told() -> list[bytes]:
        reports = StatusReports(lambda: b"same", pause_s=0.001, longest_s=0.05)
        return [status async for status in reports.watch()]

    assert asyncio.run(told()) == [b"same"]


def test_at_the_end_the_last_status_is_sent() -> None:
    async def told() -> list[bytes]:
        present = [b"first"]
        reports = StatusReports(lambda: present[0], pause_s=1000, longest_s=1000)
        found = []
        async for status in reports.watch():
            found.append(status)
            present[0] = b"last"
            reports.end()
        return found

    assert asyncio.run(told()) == [b"first", b"last"]
