"""Listening to coordinators, which are made up here."""

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
    """Says what it is told to, and counts how often it is dialled."""

    words: asyncio.Queue[Status | Exception | None] = field(default_factory=asyncio.Queue)
    dialled: list[tuple[str, float]] = field(default_factory=list)
    heard: list[JobKey] = field(default_factory=list)
    told: list[tuple[list[str], float]] = field(default_factory=list)
    deaf: bool = False

    def say(self, *words: Status | Exception | None) -> None:
        """None ends the call."""
        for word in words:
            self.words.put_nowait(word)

    @asynccontextmanager
    async def dial(self, ref: JobRef) -> AsyncIterator[Coordinators]:
        self.dialled.append((ref.uid, now()))
        yield self

    async def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        if self.deaf:
            raise OSError("no route")
        self.told.append(([each.silo for each in exclusions], now()))

    async def watch(self) -> AsyncIterator[Status]:
        while (word := await self.words.get()) is not None:
            if isinstance(word, Exception):
                raise word
            yield word

    async def hear(self, key: JobKey) -> None:
        self.heard.append(key)


def with_followers(test: Callable[[CoordinatorWatch, Coordinators], Awaitable[None]]) -> None:
    async def run() -> None:
        coordinators = Coordinators()
        followers = CoordinatorWatch(coordinators.dial, coordinators.hear)
        await test(followers, coordinators)
        await followers.close()
        assert len(asyncio.all_tasks()) == 1  # this one

    in_virtual_time(run())


def test_what_a_coordinator_says_is_kept_and_told() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(round=1), a_report(round=2))
        await settled()
        report = followers.report(KEY)
        assert report is not None
        assert (report.round, coordinators.heard) == (2, [KEY, KEY])

    with_followers(test)


def test_of_a_job_that_nobody_listens_to_there_is_no_report() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        assert followers.report(KEY) is None

    with_followers(test)


def test_asking_again_changes_nothing() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        for _ in range(3):
            followers.follow(KEY, REF)
            await settled()
        assert len(coordinators.dialled) == 1

    with_followers(test)


def test_a_call_that_ends_or_fails_is_made_again_after_a_moment() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(round=1), None, OSError("no route"), a_report(round=2))
        await asyncio.sleep(5)
        assert [time for _, time in coordinators.dialled] == [0, 2, 4]
        report = followers.report(KEY)
        assert report is not None
        assert report.round == 2

    with_followers(test)


def test_a_coordinator_that_ended_is_asked_less_often() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(Phase.COMPLETE), None, None)
        await asyncio.sleep(11)
        assert [time for _, time in coordinators.dialled] == [0, 10]

    with_followers(test)


def test_another_jobs_words_do_not_count() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(job_uid="another"))
        await settled()
        assert followers.report(KEY) is None

    with_followers(test)


def test_a_job_of_the_same_name_is_another_job() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(round=9))
        await settled()
        followers.follow(KEY, replace(REF, uid="new"))
        await settled()
        assert followers.report(KEY) is None
        assert [uid for uid, _ in coordinators.dialled] == [REF.uid, "new"]

    with_followers(test)


def test_a_coordinator_that_cannot_be_heard_for_a_while_is_told_once_and_until_it_is_heard() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(*[FedjobsError(ErrorCode.UNAVAILABLE, "No route to it.", "Look at its network.")] * 6)
        await asyncio.sleep(7)
        assert (followers.connection_error(KEY), coordinators.heard) == ("", [])
        await asyncio.sleep(4)
        assert "No route to it." in followers.connection_error(KEY)
        assert coordinators.heard == [KEY]
        coordinators.say(a_report(round=1))
        await asyncio.sleep(2)
        assert (followers.connection_error(KEY), coordinators.heard) == ("", [KEY, KEY])

    with_followers(test)


def test_who_is_forgotten_is_not_heard_any_more() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        await settled()
        followers.forget(KEY)
        coordinators.say(a_report(round=1))
        await asyncio.sleep(10)
        assert (followers.report(KEY), coordinators.heard) == (None, [])
        followers.forget(KEY)  # again is no error

    with_followers(test)


def test_exclusions_are_told_at_each_connection_and_whenever_they_change() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF, SUSPENDED)
        coordinators.say(a_report(round=1))
        await settled()
        coordinators.say(OSError("it was started again"))
        await asyncio.sleep(3)
        followers.follow(KEY, REF, SUSPENDED)
        followers.follow(KEY, REF, ())
        await settled()
        assert coordinators.told == [(["hospital-a"], 0), (["hospital-a"], 2), ([], 3)]

    with_followers(test)


def test_another_process_behind_the_same_connection_is_told_again() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF, SUSPENDED)
        coordinators.say(a_report(generation=1))
        await settled()
        coordinators.say(a_report(generation=2))
        await settled()
        assert coordinators.told == [(["hospital-a"], 0)] * 2

    with_followers(test)


def test_what_could_not_be_told_is_told_later() -> None:
    async def test(followers: CoordinatorWatch, coordinators: Coordinators) -> None:
        coordinators.deaf = True
        followers.follow(KEY, REF, SUSPENDED)
        await asyncio.sleep(3)
        coordinators.deaf = False
        await asyncio.sleep(2)
        assert coordinators.told == [(["hospital-a"], 4)]

    with_followers(test)
