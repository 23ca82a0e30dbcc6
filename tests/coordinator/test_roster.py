from __future__ import annotations

from collections.abc import Callable

import pytest
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.sessions.roster import LOST_AFTER_S, Roster

from .builders import ALICE, BOB

Happening = Callable[[Roster], None]


class _Clock:
    now = 0.0


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def events() -> list[tuple[SiloName, SiloState, str, str]]:
    return []


@pytest.fixture
def roster(clock: _Clock, events: list[tuple[SiloName, SiloState, str, str]]) -> Roster:
    return Roster([BOB, ALICE], lambda: clock.now, lambda *event: events.append(event))


def _state(roster: Roster, silo: SiloName = ALICE) -> SiloState:
    return next(row.state for row in roster.rows() if row.name == silo)


def _joined(roster: Roster) -> None:
    roster.joined(ALICE)


def _working(roster: Roster) -> None:
    roster.working(ALICE)


def _reported(roster: Roster) -> None:
    roster.reported(ALICE, "cpu", 3)


def _failed(roster: Roster) -> None:
    roster.failed(ALICE, "RunnerFailed", "it died")


def _refused(roster: Roster) -> None:
    roster.refused(ALICE, "datasets", "not this one")


def _declined(roster: Roster) -> None:
    roster.declined(ALICE, "requesters", "not for you")


def _seen(roster: Roster) -> None:
    roster.seen(ALICE)


@pytest.mark.parametrize(
    ("happened", "state"),
    [
        ([], SiloState.INVITED),
        ([_working], SiloState.INVITED),
        ([_joined], SiloState.READY),
        ([_joined, _working], SiloState.WORKING),
        ([_joined, _working, _reported], SiloState.READY),
        ([_joined, _working, _failed], SiloState.READY),
        ([_joined, _working, _refused], SiloState.REFUSED),
        ([_joined, _refused, _working], SiloState.WORKING),
        ([_joined, _refused, _joined], SiloState.READY),
        ([_joined, _working, _joined], SiloState.READY),
        ([_declined], SiloState.DECLINED),
        ([_joined, _working, _declined], SiloState.DECLINED),
    ],
)
def test_the_events_determine_the_state(roster: Roster, happened: list[Happening], state: SiloState) -> None:
    for happening in happened:
        happening(roster)
    assert _state(roster) is state


@pytest.mark.parametrize("later", [_joined, _seen, _working, _reported, _failed, _refused, _declined])
def test_a_declined_silo_stays_declined(
    roster: Roster, events: list[tuple[SiloName, SiloState, str, str]], later: Happening
) -> None:
    _declined(roster)
    for _ in range(1000):
        later(roster)
    assert _state(roster) is SiloState.DECLINED
    assert roster.unwilling() == [ALICE]
    assert events == [(ALICE, SiloState.DECLINED, "requesters", "not for you")]


@pytest.mark.parametrize("before", [_joined, _working, _refused])
def test_a_silent_silo_is_lost_until_it_is_seen_again(roster: Roster, clock: _Clock, before: Happening) -> None:
    _joined(roster)
    before(roster)
    clock.now = LOST_AFTER_S
    roster.expire()
    assert _state(roster) is not SiloState.LOST
    clock.now = LOST_AFTER_S + 0.1
    roster.expire()
    assert _state(roster) is SiloState.LOST
    assert roster.ready() == []
    _seen(roster)
    assert _state(roster) is SiloState.READY


def test_bytes_are_a_sign_of_life_and_are_counted(roster: Roster, clock: _Clock) -> None:
    _joined(roster)
    clock.now = LOST_AFTER_S - 1
    roster.transferred(ALICE, 5, 7)
    roster.transferred(ALICE, 1, 0)
    clock.now = LOST_AFTER_S + 1
    roster.expire()
    row = roster.rows()[0]
    assert (row.state, row.bytes_down, row.bytes_up) == (SiloState.READY, 6, 7)


def test_a_silo_that_never_joined_is_not_lost(roster: Roster, clock: _Clock) -> None:
    clock.now = 10 * LOST_AFTER_S
    roster.expire()
    assert _state(roster) is SiloState.INVITED


def test_a_lost_silo_whose_report_is_excluded_stays_lost(roster: Roster, clock: _Clock) -> None:
    _joined(roster)
    clock.now = LOST_AFTER_S + 1
    roster.expire()
    _failed(roster)
    assert _state(roster) is SiloState.LOST
    assert roster.ready() == []


def test_the_reason_of_a_failure_stays_in_the_status(roster: Roster) -> None:
    for happening in (_joined, _working, _failed, _working, _reported):
        happening(roster)
    row = roster.rows()[0]
    assert (row.state, row.reason, row.message) == (SiloState.READY, "RunnerFailed", "it died")
    assert (row.device, row.clients) == ("cpu", 3)


def test_a_silo_that_joins_a_thousand_times_is_reported_once(
    roster: Roster, events: list[tuple[SiloName, SiloState, str, str]]
) -> None:
    for _ in range(1001):
        _joined(roster)
    assert events == [(ALICE, SiloState.READY, "", "")]
    assert roster.rows()[0].restarts == 1000


def test_regular_rounds_are_not_reported(roster: Roster, events: list[tuple[SiloName, SiloState, str, str]]) -> None:
    _joined(roster)
    for _ in range(10):
        _working(roster)
        _reported(roster)
    assert len(events) == 1


def test_silos_are_in_the_order_of_their_names_and_others_are_not_invited(roster: Roster) -> None:
    for silo in (BOB, ALICE):
        roster.joined(silo)
    assert roster.ready() == [ALICE, BOB]
    assert SiloName("mallory") not in roster


def test_missing_silos_are_named_with_the_reason(roster: Roster) -> None:
    roster.joined(BOB)
    _declined(roster)
    assert roster.why_missing([BOB]) == "alice is Declined (requesters: not for you)"
    assert roster.why_missing([]).endswith("; bob is Ready")


def test_a_message_names_some_of_many_missing_silos() -> None:
    roster = Roster([f"silo-{number:04}" for number in range(1000)], lambda: 0.0, lambda *_: None)
    text = roster.why_missing([SiloName("silo-0000")])
    assert text.startswith("silo-0001 is Invited; ")
    assert text.endswith("silo-0020 is Invited; and 979 others")


# --- silos that do not respond


def test_a_late_silo_gets_no_work_before_it_asks_for_some(roster: Roster) -> None:
    _joined(roster)
    _working(roster)
    roster.overdue(ALICE)
    roster.seen(ALICE, "running")  # a heartbeat
    assert roster.ready() == []
    assert ALICE not in roster.awaited()
    row = roster.rows()[0]
    assert (row.state, row.reason) == (SiloState.WORKING, "RoundDeadline")
    roster.asked_for_work(ALICE)
    assert roster.ready() == [ALICE]
    assert ALICE in roster.awaited()


def test_a_late_silo_is_ready_when_it_joins_again(roster: Roster) -> None:
    _joined(roster)
    roster.overdue(ALICE)
    _joined(roster)
    assert roster.ready() == [ALICE]


def test_an_absent_silo_is_not_waited_for_again_before_it_joins(roster: Roster) -> None:
    _joined(roster)
    assert roster.awaited() == [ALICE, BOB]
    roster.gave_up_waiting()
    assert roster.awaited() == [ALICE]
    roster.joined(BOB)
    assert roster.awaited() == [ALICE, BOB]


def test_a_declined_silo_is_not_waited_for(roster: Roster) -> None:
    _declined(roster)
    assert roster.awaited() == [BOB]
