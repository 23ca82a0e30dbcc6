"""Which silos contribute to a stage, and whose results a program may see alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_common.ids import SiloName
from fedjobs_coordinator.aggregation.outcomes import Failure, Outcome, Report, Retry
from fedjobs_coordinator.invocations.quorum import contributions, needed
from fedjobs_coordinator.invocations.single_silo_results import withheld
from hypothesis import given
from hypothesis import strategies as st

A, B, C = SiloName("a"), SiloName("b"), SiloName("c")
FAILED = Failure("ShardFailed", "why", Retry.OTHER_INPUTS)


def _report(silo: SiloName, clients: int = 3) -> Report:
    return Report(silo, clients, "cpu", "", Path(silo) if clients else None)


def test_a_silo_without_clients_does_not_contribute() -> None:
    found = contributions([A, B], {A: _report(A), B: _report(B, clients=0)}, None)
    assert found.reports.keys() == {A}
    assert found.failures[B].reason == "NoClients"
    assert found.failures[B].retry is Retry.OTHER_INPUTS


def test_a_silo_that_failed_or_did_not_report_has_its_reason() -> None:
    found = contributions([A, B, C], {A: FAILED, C: _report(C)}, None)
    assert found.reports.keys() == {C}
    assert found.failures[A] == FAILED
    assert (found.failures[B].reason, found.failures[B].retry) == ("RoundDeadline", Retry.LATER)


def test_a_later_stage_has_the_same_number_of_clients() -> None:
    outcomes: dict[SiloName, Outcome] = {A: _report(A, 3), B: _report(B, 4)}
    found = contributions([A, B], outcomes, {A: 3, B: 5})
    assert found.reports.keys() == {A}
    assert "5 clients in the first stage, and now has 4" in found.failures[B].message


@pytest.mark.parametrize(
    ("asked", "least", "members", "given_by_program", "expected"),
    [
        (4, 2, None, False, 2),
        (1, 2, None, False, 2),
        (1, 2, None, True, 1),
        (0, 2, None, True, 0),
        (4, 2, {A: 1, B: 1, C: 1}, False, 3),
        (4, 2, {A: 1}, True, 1),
    ],
    ids=[
        "a first stage needs minSilos",
        "and never fewer, however few silos are in the cohort",
        "unless the program has fewer clients than silos",
        "or none",
        "a later stage needs all silos of the first",
        "also of given clients",
    ],
)
def test_the_quorum(
    asked: int, least: int, members: dict[SiloName, int] | None, given_by_program: bool, expected: int
) -> None:
    assert needed(asked, least, members, given=given_by_program) == expected


def test_a_silo_that_requires_a_cohort_has_no_result_of_its_own() -> None:
    assert withheld([A, B, C], {A: 1, B: 1, C: 1}) == {}
    assert withheld([A, B, C], {A: 2, B: 2}).keys() == {A, B}


def test_the_difference_of_results_does_not_show_a_silo_that_requires_a_cohort() -> None:
    assert withheld([A, B, C], {A: 2}).keys() == {A, B, C}
    assert withheld([A, B, C], {A: 3, B: 3}).keys() == {A, B, C}


@given(st.dictionaries(st.sampled_from([SiloName(name) for name in "abcdef"]), st.integers(1, 7), min_size=1))
def test_no_shown_result_and_no_difference_combines_fewer_silos_than_one_of_them_requires(
    sizes: dict[SiloName, int],
) -> None:
    hidden = withheld(list(sizes), sizes).keys()
    assert all(sizes[silo] == 1 for silo in sizes if silo not in hidden)
    if hidden != sizes.keys():
        assert all(sizes[silo] <= len(hidden) for silo in hidden)
