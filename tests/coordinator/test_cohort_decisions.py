"""The decision with which silos an invocation begins, on plain values."""

from __future__ import annotations

import pytest
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort
from fedjobs_coordinator.sessions.cohorts import Begin, Presence, TooFew, Wait, decide
from fedjobs_coordinator.sessions.consents import Standing

A, B, C = SiloName("a"), SiloName("b"), SiloName("c")
ALL = frozenset({A, B, C})
THERE = Presence(invited=3, ready=[A, B, C], awaited=[A, B, C])


def of(least: int = 2, goal: int = 3) -> ResolvedCohort:
    return ResolvedCohort(min_silos=least, goal_silos=goal, round_deadline_seconds=10)


@pytest.mark.parametrize(
    ("standing", "late", "expected"),
    [
        (Standing(consented=ALL), False, Begin([A, B, C])),
        (Standing(), False, Wait("0 of 3 silos are ready")),
        (Standing(consented=frozenset({A, B})), False, Wait("2 of 3 silos are ready")),
        (Standing(consented=frozenset({A, B})), True, Begin([A, B], without=frozenset({C}))),
        (Standing(consented=frozenset({A, B}), refused=frozenset({C})), False, Begin([A, B])),
        (Standing(consented=frozenset({A, B}), passed_over=frozenset({C})), False, Begin([A, B])),
        (Standing(consented=frozenset({A}), refused=frozenset({B, C})), False, TooFew([A])),
        (Standing(consented=frozenset({A})), True, TooFew([A])),
        (
            Standing(consented=frozenset({A}), awaiting=frozenset({B, C})),
            True,
            Wait("1 of 3 silos are ready; b, c must approve the computation", for_people=True),
        ),
    ],
    ids=[
        "all silos have consented",
        "no silo has answered",
        "one silo has not answered",
        "one silo has not answered in time",
        "a silo that refuses is not waited for",
        "a silo that was skipped is not waited for",
        "too many refuse",
        "too few have answered in time",
        "required approvals are waited for",
    ],
)
def test_the_cohort_is_the_silos_that_consent(standing: Standing, late: bool, expected: object) -> None:
    assert decide(THERE, standing, of(), late=late) == expected


def test_approvals_of_an_absent_silo_are_not_waited_for() -> None:
    standing = Standing(consented=frozenset({A}), awaiting=frozenset({B}))
    presence = Presence(invited=3, ready=[A], awaited=[A, B, C])
    assert decide(presence, standing, of(), late=True) == TooFew([A])


@pytest.mark.parametrize(
    ("ready", "standing"),
    [
        ([A], Standing(consented=frozenset({A}), awaiting=frozenset({B}))),
        ([A, B], Standing(consented=frozenset({A}))),
    ],
    ids=["the silo is silent", "the silo has joined again and not answered yet"],
)
def test_a_silo_whose_approval_was_waited_for_may_come_back(ready: list[SiloName], standing: Standing) -> None:
    presence = Presence(invited=3, ready=ready, awaited=[A, B, C])
    assert decide(presence, standing, of(), late=True, patient=True) == Wait("1 of 3 silos are ready")


def test_patience_does_not_wait_for_silos_that_refuse() -> None:
    standing = Standing(consented=frozenset({A}), refused=frozenset({B, C}))
    assert decide(THERE, standing, of(), late=True, patient=True) == TooFew([A])


def test_approvals_that_are_not_needed_cause_no_patience() -> None:
    standing = Standing(consented=frozenset({A, B}), awaiting=frozenset({C}))
    waiting = decide(THERE, standing, of(), late=False)
    assert isinstance(waiting, Wait)
    assert not waiting.for_people


def test_a_silo_that_refused_work_has_not_consented() -> None:
    presence = Presence(invited=3, ready=[A, B, C], awaited=[A, B, C], refused={C})
    assert decide(presence, Standing(consented=ALL), of(), late=False) == Begin([A, B])
