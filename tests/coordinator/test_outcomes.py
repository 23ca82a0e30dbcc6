"""How long a round waits for its silos, under virtual time."""

from __future__ import annotations

from fedjobs_common.ids import SiloName
from fedjobs_coordinator.aggregation.outcomes import Failure, RoundOutcomes, in_time, patience_of
from fedjobs_coordinator.sessions.work_progress import WorkProgress
from hypothesis import given
from hypothesis import strategies as st

A, B = SiloName("a"), SiloName("b")
FAILED = Failure("ShardFailed", "why")


def test_a_silo_has_the_deadline_from_its_last_progress() -> None:
    assert in_time([A, B], {A: 50.0}, started=0, now=59, patience=10) == {A: 1.0}
    assert in_time([A, B], {}, started=0, now=9, patience=10) == {A: 1.0, B: 1.0}
    assert in_time([A, B], {A: 50.0}, started=0, now=60, patience=10) == {}


def test_work_that_takes_longer_than_the_deadline_is_not_cancelled_without_end() -> None:
    assert [patience_of(600, attempt) for attempt in (1, 2, 3, 5, 6, 1000)] == [600, 1200, 2400, 9600, 9600, 9600]


class _Time:
    """A clock that makes each check one second later, with events at their times."""

    def __init__(self, outcomes: RoundOutcomes, events: dict[int, tuple[str, SiloName]]) -> None:
        self.now = 0
        self._outcomes, self._events = outcomes, events

    def __call__(self) -> float:
        self.now += 1
        if event := self._events.get(self.now):
            what, silo = event
            if what == "progress":
                self._outcomes.progressed(silo, self.now)
            else:
                self._outcomes.put(silo, FAILED)
        return float(self.now)


def _ended(events: dict[int, tuple[str, SiloName]], patience: float) -> int:
    outcomes = RoundOutcomes()
    outcomes._condition = _NoWaiting()  # type: ignore[assignment]
    clock = _Time(outcomes, events)
    outcomes.wait([A, B], patience, clock, lambda: clock.now > 10_000)
    return clock.now


class _NoWaiting:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def wait(self, seconds: float) -> None:
        assert seconds > 0

    def notify_all(self) -> None: ...


def test_a_wait_ends_with_the_last_outcome() -> None:
    assert _ended({3: ("report", A), 7: ("report", B)}, patience=100) in (7, 8)


def test_progress_of_a_silo_extends_the_wait_for_this_silo() -> None:
    assert _ended({2: ("report", A)}, patience=10) == 11
    assert _ended({2: ("report", A), 8: ("progress", B), 15: ("progress", B)}, patience=10) == 25


def test_the_progress_of_one_silo_does_not_extend_the_wait_for_another() -> None:
    assert _ended({8: ("progress", A), 9: ("report", A)}, patience=10) == 11


@given(st.dictionaries(st.integers(2, 60), st.tuples(st.sampled_from(["progress", "report"]), st.sampled_from([A, B]))))
def test_a_wait_never_ends_while_a_silo_makes_progress_and_always_ends(
    events: dict[int, tuple[str, SiloName]],
) -> None:
    patience, last, reported = 10, {A: 1, B: 1}, {A: 10_000, B: 10_000}
    for time, (what, silo) in sorted(events.items()):
        if what == "report":
            reported[silo] = min(reported[silo], time)
        elif time < min(reported[silo], last[silo] + patience) or any(
            time <= min(reported[other], last[other] + patience) for other in (A, B)
        ):
            last[silo] = time
    expected = max(min(reported[silo], last[silo] + patience) for silo in (A, B))
    assert abs(_ended(events, patience) - expected) <= 1


# --- what counts as progress


def test_a_repeated_heartbeat_is_no_progress() -> None:
    work = WorkProgress(bytes_down=100, bytes_up=100)
    assert [work.told(state) for state in ("loading", "loading", "running", "running", "sending")] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert not work.told("")


def test_neither_heartbeats_nor_transfers_extend_a_round_without_end() -> None:
    work = WorkProgress(bytes_down=100, bytes_up=1000)
    assert sum(work.told(str(number)) for number in range(1000)) == 16
    assert sum(work.transferred(100, 0) for _ in range(1000)) == 4
    assert sum(work.transferred(0, 500) for _ in range(1000)) == 8
