"""The decision with which silos an invocation begins, on plain values."""

from __future__ import annotations

import pytest
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort
from fedjobs_coordinator.aggregation.outcomes import Failure
from fedjobs_coordinator.sessions.cohorts import Begin, Presence, TooFew, Wait, decide, sample
from fedjobs_coordinator.sessions.consents import Standing
from hypothesis import given
from hypothesis import strategies as st

A, B, C = SiloName("a"), SiloName("b"), SiloName("c")
ALL = frozenset({A, B, C})
THERE = Presence(invited=3, ready=[A, B, C], awaited=[A, B, C])
FULL = Failure("DiskFull", "no space")
MANY = [SiloName(f"silo-{number}") for number in range(8)]
SUBSETS = st.frozensets(st.sampled_from(MANY))


def of(least: int = 2, goal: int = 3) -> ResolvedCohort:
    return ResolvedCohort(min_silos=least, goal_silos=goal, round_deadline_seconds=10)


@pytest.mark.parametrize(
    ("standing", "late", "expected"),
    [
        (Standing(consented=ALL), False, Begin([A, B, C])),
        (Standing(), False, Wait("0 of 3 silos are ready")),
        (Standing(consented=frozenset({A, B})), False, Wait("2 of 3 silos are ready", (A, B))),
        (Standing(consented=frozenset({A, B})), True, Begin([A, B], without=frozenset({C}))),
        (Standing(consented=frozenset({A, B}), refused=frozenset({C})), False, Begin([A, B])),
        (Standing(consented=frozenset({A, B}), passed_over=frozenset({C})), False, Begin([A, B])),
        (Standing(consented=frozenset({A}), refused=frozenset({B, C})), False, TooFew([A])),
        (Standing(consented=frozenset({A})), True, Wait("1 of 3 silos are ready", (A,))),
        (
            Standing(consented=frozenset({A}), awaiting=frozenset({B, C})),
            True,
            Wait("1 of 3 silos are ready; b, c must approve the computation", (A,)),
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


def test_an_invocation_waits_for_absent_silos_as_long_as_they_can_come() -> None:
    presence = Presence(invited=3, ready=[A], awaited=[A])
    assert decide(presence, Standing(consented=ALL), of(), late=True) == Wait("1 of 3 silos are ready", (A,))


def test_an_invocation_does_not_wait_for_a_silo_that_failed_with_its_inputs() -> None:
    presence = Presence(invited=3, ready=[A, B, C], awaited=[A, B, C], refused={C})
    assert decide(presence, Standing(consented=ALL), of(), late=False) == Begin([A, B])


def test_an_invocation_waits_for_a_silo_that_is_asked_again_later_only_if_it_needs_it() -> None:
    presence = Presence(invited=3, ready=[A, B, C], awaited=[A, B, C], resting={C: FULL})
    assert decide(presence, Standing(consented=ALL), of(), late=False) == Begin([A, B])
    needed = decide(presence, Standing(consented=ALL), of(least=3), late=True)
    assert needed == Wait("2 of 3 silos are ready; c is asked again later (DiskFull: no space)", (A, B))


def test_a_sample_of_the_ready_silos_has_the_size_of_the_goal() -> None:
    presence = Presence(invited=8, ready=MANY, awaited=MANY)
    samples = set()
    for seed in map(str, range(40)):
        decided = decide(presence, Standing(consented=frozenset(MANY)), of(goal=3), late=False, seed=seed)
        assert isinstance(decided, Begin)
        assert len(decided.silos) == 3
        assert decided.silos == sorted(decided.silos)
        assert decided.left_out == set(MANY) - set(decided.silos)
        samples.add(tuple(decided.silos))
    assert len(samples) > 20
    assert {silo for chosen in samples for silo in chosen} == set(MANY)


def test_each_silo_is_sampled_equally_often() -> None:
    chosen = [silo for seed in range(4000) for silo in sample(MANY, 2, str(seed))]
    # The mean is 1,000, and the standard deviation of a binomial distribution is 27.
    assert all(abs(chosen.count(silo) - 1000) < 6 * 27 for silo in MANY)


@given(st.permutations(MANY), st.integers(1, 8), st.text())
def test_a_sample_depends_on_the_seed_and_the_silos_alone_and_changes_little(
    silos: list[SiloName], count: int, seed: str
) -> None:
    chosen = sample(silos, count, seed)
    assert chosen == sample(sorted(silos), count, seed)
    without = [silo for silo in silos if silo != chosen[0]]
    again = sample(without, count, seed)
    assert set(chosen) - set(again) == {chosen[0]}


@given(
    ready=SUBSETS,
    awaited=SUBSETS,
    declined=SUBSETS,
    refused=SUBSETS,
    resting=SUBSETS,
    answers=st.tuples(SUBSETS, SUBSETS, SUBSETS, SUBSETS),
    numbers=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    late=st.booleans(),
)
def test_a_cohort_has_enough_silos_and_only_those_that_can_and_want_to(
    ready: frozenset[SiloName],
    awaited: frozenset[SiloName],
    declined: frozenset[SiloName],
    refused: frozenset[SiloName],
    resting: frozenset[SiloName],
    answers: tuple[frozenset[SiloName], ...],
    numbers: tuple[int, int],
    late: bool,
) -> None:
    least, goal = min(numbers), max(numbers)
    presence = Presence(
        invited=len(MANY),
        ready=sorted(ready - declined),
        awaited=awaited | (ready - declined),
        declined=declined,
        refused=refused,
        resting=dict.fromkeys(resting, FULL),
    )
    standing = Standing(*answers)
    able = (ready - declined - refused - resting - standing.refused) & standing.consented
    decided = decide(presence, standing, of(least, goal), late=late, seed="x")
    if isinstance(decided, Begin):
        assert set(decided.silos) <= able
        assert len(decided.silos) == min(len(able), goal)
        assert len(decided.silos) >= least
        assert set(decided.silos) | decided.left_out == able
    elif isinstance(decided, TooFew):
        assert len(set(MANY) - declined - refused - standing.refused) < least
        assert set(decided.silos) == able
    else:
        assert len(able) < (least if late else goal)
        assert len(set(MANY) - declined - refused - standing.refused) >= least
