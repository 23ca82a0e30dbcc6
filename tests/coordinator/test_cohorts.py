"""With which silos a round begins, and how long it waits for the others."""

from __future__ import annotations

import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from fedjobs_common.errors import ErrorCode
from fedjobs_common.ids import Digest, SiloName
from fedjobs_common.jobs.statuses import Phase
from fedjobs_coordinator import coordinator as coordinator_module

from .builders import ALICE, BOB, WORK, a_job, an_assignment
from .sites import SHARD, Silo, Site, offer, raised_by, until


def test_the_cohort_waits_for_all_silos(site: Site) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    waiting = site.meanwhile(coordinator.cohort, SHARD, offer)
    until(site.is_waiting)
    assert "1 of 2" in site.status().message
    assert not waiting.done()
    site.silo(coordinator, BOB).join()
    assert waiting.result(10) == [ALICE, BOB]
    assert site.status().phase is Phase.RUNNING


def test_after_the_deadline_the_cohort_is_the_silos_that_are_ready(site: Site) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    site.silo(coordinator, BOB).join()
    assert coordinator.cohort(SHARD, offer) == [BOB]


def test_a_goal_below_the_number_of_silos_is_enough(site: Site) -> None:
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=1, goal=2))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    assert coordinator.cohort(SHARD, offer) == [ALICE, BOB]


def test_ready_silos_beyond_the_goal_take_part_too(site: Site) -> None:
    coordinator = site.start(a_job(least=1, goal=1))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    assert coordinator.cohort(SHARD, offer) == [ALICE, BOB]


def test_too_few_silos_after_the_deadline_are_an_error_that_names_silos_and_reasons(site: Site) -> None:
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=3, deadline=0.3))
    site.silo(coordinator, ALICE).join()
    site.silo(coordinator, BOB).join(decline="not for you")
    error = raised_by(lambda: coordinator.cohort(SHARD, offer))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert "Only 1 of at least 3" in error.public
    assert "bob is Declined (requesters: not for you)" in error.public
    assert "carol is Invited" in error.public
    assert "minSilos" in error.public


def test_silos_that_decline_are_not_waited_for(site: Site) -> None:
    coordinator = site.start(a_job(least=1))
    site.silo(coordinator, ALICE).join(decline="not for you")
    site.silo(coordinator, BOB).join()
    assert coordinator.cohort(SHARD, offer) == [BOB]


def test_if_too_many_decline_the_job_fails_before_the_deadline(site: Site) -> None:
    coordinator = site.start(a_job(least=2, deadline=1000))
    waiting = site.meanwhile(coordinator.cohort, SHARD, offer)
    site.silo(coordinator, ALICE).join(decline="not for you")
    error = raised_by(lambda: waiting.result(10))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert "alice is Declined" in error.public


def test_a_silo_that_refused_a_shard_gets_other_offers(site: Site) -> None:
    coordinator = site.start(a_job(least=1))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    coordinator.mark_refused(SHARD, ALICE)
    assert coordinator.cohort(SHARD, offer) == [BOB]
    assert coordinator.cohort(Digest("00" * 32), offer) == [ALICE, BOB]


def test_an_absent_silo_delays_one_round_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    site.silo(coordinator, BOB).join()
    assert coordinator.cohort(SHARD, offer) == [BOB]
    _stop_time(monkeypatch)
    assert coordinator.cohort(SHARD, offer) == [BOB]
    site.silo(coordinator, ALICE).join()
    assert coordinator.cohort(SHARD, offer) == [ALICE, BOB]


def test_a_silo_that_only_sends_heartbeats_delays_one_round_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    alice = site.silo(coordinator, ALICE).join()
    site.silo(coordinator, BOB).join()
    assert coordinator.cohort(SHARD, offer) == [ALICE, BOB]
    assignment = an_assignment(ALICE)
    coordinator.assign([assignment])
    alice.pull()
    coordinator.wait_for_reports([assignment])
    coordinator.withdraw([assignment])
    _stop_time(monkeypatch)
    assert alice.client.heartbeat(alice.session_id, WORK, "running").cancel
    assert coordinator.cohort(SHARD, offer) == [BOB]
    assert site.status().silos[0].reason == "RoundDeadline"
    asking = site.meanwhile(alice.pull)
    until(lambda: coordinator.cohort(SHARD, offer) == [ALICE, BOB])
    coordinator.stop()
    site.close(coordinator)
    assert asking.result(10).HasField("over")


def test_an_approval_is_waited_for_while_the_silo_joins_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, clock, waiting = _start_round_that_waits_for_approval(site, monkeypatch)
    clock.passes(2000, waiting)
    alice.join(asked=True)
    until(lambda: waiting.done() or not _is_for_people(site))
    assert not waiting.done()
    alice.await_people()
    until(lambda: waiting.done() or _is_for_people(site))
    alice.approve()
    assert waiting.result(10) == [ALICE]


def test_the_approval_of_a_silo_that_does_not_come_back_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, clock, waiting = _start_round_that_waits_for_approval(site, monkeypatch)
    clock.passes(2000, waiting)
    alice.join(asked=True)
    until(lambda: waiting.done() or not _is_for_people(site))
    clock.passes(900, waiting)
    assert not waiting.done()
    clock.passes(200, waiting)
    assert raised_by(lambda: waiting.result(10)).code is ErrorCode.COHORT_TOO_SMALL


class _Clock:
    """The clock of a thread that waits for silos. It advances only when the test moves it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0

    def monotonic(self) -> float:
        self.reads += 1
        return self.now

    def passes(self, seconds: float, waiting: Future[list[SiloName]]) -> None:
        """Advances the time, and waits until the thread has checked it twice or has finished."""
        self.now += seconds
        looked = self.reads + 2
        until(lambda: waiting.done() or self.reads >= looked)


def _start_round_that_waits_for_approval(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> tuple[Silo, _Clock, Future[list[SiloName]]]:
    """Alice has joined, and a person must approve the shard. A round waits for Alice."""
    coordinator = site.start(a_job(least=1, deadline=1000))
    clock = _Clock()
    monkeypatch.setattr(coordinator_module, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=time.sleep))
    alice = site.silo(coordinator, ALICE).join(asked=True)
    waiting = site.meanwhile(coordinator.cohort, SHARD, offer)
    until(site.is_waiting)
    alice.await_people()
    until(lambda: _is_for_people(site))
    return alice, clock, waiting


def _is_for_people(site: Site) -> bool:
    return "alice must approve" in site.status().message


def _stop_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops the time, so that a thread never reaches a deadline."""
    now = time.monotonic()
    monkeypatch.setattr(coordinator_module, "time", SimpleNamespace(monotonic=lambda: now, sleep=time.sleep))
