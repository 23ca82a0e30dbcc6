"""Which silos the operator tells a coordinator to exclude."""

from __future__ import annotations

from fedjobs_common.errors import ErrorCode

from tests.operator.attempts import an_attempt
from tests.operator.builders import HOSPITALS, ALook, a_job, a_look_at, a_silo, running


def excluded(look: ALook) -> list[tuple[str, ErrorCode]]:
    return [(each.silo, each.code) for each in look.plan().exclude]


def test_all_silos_take_part() -> None:
    assert excluded(running(a_job())) == []


def test_suspended_and_deleted_silos_have_different_codes() -> None:
    look = running(a_job()).with_silos(a_silo("hospital-b", suspended=True), a_silo("another", suspended=True))
    assert excluded(look) == [("hospital-a", ErrorCode.SILO_NOT_FOUND), ("hospital-b", ErrorCode.SILO_SUSPENDED)]
    assert excluded(look.with_silos(*HOSPITALS)) == []


def test_exclusions_hold_until_the_coordinators_job_has_ended() -> None:
    look = running(a_job()).with_silos(HOSPITALS[0]).with_attempts(an_attempt(1).exited(137))
    assert excluded(look) == [("hospital-b", ErrorCode.SILO_NOT_FOUND)]


def test_there_are_no_exclusions_without_a_listening_coordinator() -> None:
    assert not a_look_at(a_job()).plan().follow
    assert excluded(running(a_job()).with_silos().but(a_job().suspended())) == []
