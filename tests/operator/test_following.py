"""Listening to coordinators, which are made up here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from fedjobs_operator.following import Followers
from fedjobs_operator.names import JobRef
from fedjobs_operator.objects import JobKey
from fedjobs_protocol.statuses import Phase, Status

from tests.operator.builders import REF, a_report
from tests.operator.virtual_time import in_virtual_time, now, settled

KEY: JobKey = ("team", "digits")


@dataclass
class Coordinators:
    """Says what it is told to, and counts how often it is dialled."""

    words: asyncio.Queue[Status | Exception | None] = field(default_factory=asyncio.Queue)
    dialled: list[tuple[str, float]] = field(default_factory=list)
    heard: list[JobKey] = field(default_factory=list)

    def say(self, *words: Status | Exception | None) -> None:
        """None ends the call."""
        for word in words:
            self.words.put_nowait(word)

    async def watch(self, ref: JobRef) -> AsyncIterator[Status]:
        self.dialled.append((ref.uid, now()))
        while (word := await self.words.get()) is not None:
            if isinstance(word, Exception):
                raise word
            yield word

    async def hear(self, key: JobKey) -> None:
        self.heard.append(key)


def with_followers(test: Callable[[Followers, Coordinators], Awaitable[None]]) -> None:
    async def run() -> None:
        coordinators = Coordinators()
        followers = Followers(coordinators.watch, coordinators.hear)
        await test(followers, coordinators)
        await followers.close()
        assert len(asyncio.all_tasks()) == 1  # this one

    in_virtual_time(run())


def test_what_a_coordinator_says_is_kept_and_told() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(round=1), a_report(round=2))
        await settled()
        report = followers.report(KEY)
        assert report is not None
        assert (report.round, coordinators.heard) == (2, [KEY, KEY])

    with_followers(test)


def test_of_a_job_that_nobody_listens_to_there_is_no_report() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        assert followers.report(KEY) is None

    with_followers(test)


def test_asking_again_changes_nothing() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        for _ in range(3):
            followers.follow(KEY, REF)
            await settled()
        assert len(coordinators.dialled) == 1

    with_followers(test)


def test_a_call_that_ends_or_fails_is_made_again_after_a_moment() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(round=1), None, OSError("no route"), a_report(round=2))
        await asyncio.sleep(5)
        assert [time for _, time in coordinators.dialled] == [0, 2, 4]
        report = followers.report(KEY)
        assert report is not None
        assert report.round == 2

    with_followers(test)


def test_a_coordinator_that_ended_is_asked_less_often() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(Phase.COMPLETE), None, None)
        await asyncio.sleep(11)
        assert [time for _, time in coordinators.dialled] == [0, 10]

    with_followers(test)


def test_another_jobs_words_do_not_count() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(job_uid="another"))
        await settled()
        assert followers.report(KEY) is None

    with_followers(test)


def test_a_job_of_the_same_name_is_another_job() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        coordinators.say(a_report(round=9))
        await settled()
        followers.follow(KEY, replace(REF, uid="new"))
        await settled()
        assert followers.report(KEY) is None
        assert [uid for uid, _ in coordinators.dialled] == [REF.uid, "new"]

    with_followers(test)


def test_who_is_forgotten_is_not_heard_any_more() -> None:
    async def test(followers: Followers, coordinators: Coordinators) -> None:
        followers.follow(KEY, REF)
        await settled()
        followers.forget(KEY)
        coordinators.say(a_report(round=1))
        await asyncio.sleep(10)
        assert (followers.report(KEY), coordinators.heard) == (None, [])
        followers.forget(KEY)  # again is no error

    with_followers(test)
