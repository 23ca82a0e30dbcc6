"""Watching coordinators. The coordinators are fakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from fedjobs_api.names import JobRef
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import Phase, Status
from fedjobs_operator.cluster.cache import JobKey
from fedjobs_operator.controller.coordinator_watch import CoordinatorWatch
from fedjobs_protocol.reports.exclusions import Exclusion

from tests.operator.builders import REF, a_report
from tests.operator.virtual_time import in_virtual_time, now, settled

KEY: JobKey = ("team", "digits")
SUSPENDED = (Exclusion("hospital-a", ErrorCode.SILO_SUSPENDED, "It is suspended."),)


@dataclass
class Coordinators:
    """Fake coordinators. They send given reports and count the connections."""

    reports: asyncio.Queue[Status | Exception | None] = field(default_factory=asyncio.Queue)
    dialled: list[tuple[str, float]] = field(default_factory=list)
    heard: list[JobKey] = field(default_factory=list)
    told: list[tuple[list[str], float]] = field(default_factory=list)
    deaf: bool = False

    def send(self, *reports: Status | Exception | None) -> None:
        """Sends these reports. None ends the call, and an exception fails it."""
        for report in reports:
            self.reports.put_nowait(report)

    @asynccontextmanager
    async def dial(self, ref: JobRef) -> AsyncIterator[Coordinators]:
        self.dialled.append((ref.uid, now()))
        yield self

    async def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        if self.deaf:
            raise OSError("no route")
        self.told.append(([each.silo for each in exclusions], now()))

    async def watch(self) -> AsyncIterator[Status]:
        while (report := await self.reports.get()) is not None:
            if isinstance(report, Exception):
                raise report
            yield report

    async def hear(self, key: JobKey) -> None:
        self.heard.append(key)


def with_watch(test: Callable[[CoordinatorWatch, Coordinators], Awaitable[None]]) -> None:
    async def run() -> None:
        coordinators = Coordinators()
        followers = CoordinatorWatch(coordinators.dial, coordinators.hear)
        await test(followers, coordinators)
        await followers.close()
        assert len(asyncio.all_tasks()) == 1  # the test's own task

    in_virtual_time(run())


def test_a_coordinators_report_is_stored_and_announced() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.send(a_report(round=1), a_report(round=2))
        await settled()
        report = followers.report(KEY)
        assert report is not None
        assert (report.round, coordinators.heard) == (2, [KEY, KEY])

    with_watch(test)


def test_a_job_that_is_not_watched_has_no_report() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        assert followers.report(KEY) is None

    with_watch(test)


def test_watching_again_changes_nothing() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        for _ in range(3):
            followers.follow(KEY, REF)
            await settled()
        assert len(coordinators.dialled) == 1

    with_watch(test)


def test_a_call_that_ends_or_fails_is_retried_after_two_seconds() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.send(a_report(round=1), None, OSError("no route"), a_report(round=2))
        await asyncio.sleep(5)
        assert [time for _, time in coordinators.dialled] == [0, 2, 4]
        report = followers.report(KEY)
        assert report is not None
        assert report.round == 2

    with_watch(test)


def test_a_coordinator_that_ended_is_called_less_often() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.send(a_report(Phase.COMPLETE), None, None)
        await asyncio.sleep(11)
        assert [time for _, time in coordinators.dialled] == [0, 10]

    with_watch(test)


def test_another_jobs_reports_do_not_count() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.send(a_report(job_uid="another"))
        await settled()
        assert followers.report(KEY) is None

    with_watch(test)


def test_a_job_of_the_same_name_is_another_job() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.send(a_report(round=9))
        await settled()
        followers.follow(KEY, replace(REF, uid="new"))
        await settled()
        assert followers.report(KEY) is None
        assert [uid for uid, _ in coordinators.dialled] == [REF.uid, "new"]

    with_watch(test)


def test_an_unreachable_coordinator_is_announced_once_and_reported_until_it_responds() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.send(*[FedjobsError(ErrorCode.UNAVAILABLE, "No route to it.", "Look at its network.")] * 6)
        await asyncio.sleep(7)
        assert (followers.connection_error(KEY), coordinators.heard) == ("", [])
        await asyncio.sleep(4)
        assert "No route to it." in followers.connection_error(KEY)
        assert coordinators.heard == [KEY]
        coordinators.send(a_report(round=1))
        await asyncio.sleep(2)
        assert (followers.connection_error(KEY), coordinators.heard) == ("", [KEY, KEY])

    with_watch(test)


def test_a_forgotten_coordinator_is_not_watched_any_more() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        await settled()
        followers.forget(KEY)
        coordinators.send(a_report(round=1))
        await asyncio.sleep(10)
        assert (followers.report(KEY), coordinators.heard) == (None, [])
        followers.forget(KEY)  # a second call is no error

    with_watch(test)


def test_exclusions_are_sent_at_each_connection_and_after_each_change() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF, SUSPENDED)
        coordinators.send(a_report(round=1))
        await settled()
        coordinators.send(OSError("it was started again"))
        await asyncio.sleep(3)
        followers.follow(KEY, REF, SUSPENDED)
        followers.follow(KEY, REF, ())
        await settled()
        assert coordinators.told == [(["hospital-a"], 0), (["hospital-a"], 2), ([], 3)]

    with_watch(test)


def test_a_new_process_behind_the_same_connection_gets_the_exclusions_again() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF, SUSPENDED)
        coordinators.send(a_report(generation=1))
        await settled()
        coordinators.send(a_report(generation=2))
        await settled()
        assert coordinators.told == [(["hospital-a"], 0)] * 2

    with_watch(test)


def test_exclusions_that_could_not_be_sent_are_sent_later() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        coordinators.deaf = True
        followers.follow(KEY, REF, SUSPENDED)
        await asyncio.sleep(3)
        coordinators.deaf = False
        await asyncio.sleep(2)
        assert coordinators.told == [(["hospital-a"], 4)]

    with_watch(test)
