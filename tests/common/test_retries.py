from __future__ import annotations

import threading

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.retries import forever, is_retryable, resuming

CUT = FedjobsError(ErrorCode.UNAVAILABLE, "The link was cut.")
WRONG = FedjobsError(ErrorCode.INVALID_CERTIFICATE, "Not yours.")


class Failing:
    """Raises each of the errors in turn, and then succeeds."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("code", ErrorCode)
def test_only_errors_that_are_retryable_by_the_catalogue_are_retried(code):
    assert is_retryable(FedjobsError(code, "")) == code.retryable
    assert not is_retryable(ValueError())


def test_calls_are_retried_until_they_succeed():
    call = Failing(*[CUT] * 10)
    assert forever(first_s=0, longest_s=0)(call) == "done"
    assert call.calls == 11


def test_a_permanent_error_is_raised_immediately():
    call = Failing(CUT, WRONG, CUT)
    with pytest.raises(FedjobsError) as raised:
        forever(first_s=0, longest_s=0)(call)
    assert raised.value is WRONG
    assert call.calls == 2


def test_stopping_ends_a_wait_immediately_and_raises_the_last_error():
    stopping = threading.Event()
    call = Failing(*[CUT] * 10)
    with pytest.raises(FedjobsError) as raised:
        forever(first_s=1e6, longest_s=1e6, stopping=stopping, on_wait=lambda *_: stopping.set())(call)
    assert raised.value is CUT
    assert call.calls <= 2


def test_waits_have_full_jitter_and_grow_up_to_a_maximum():
    def waits():
        seen = []
        forever(first_s=0.0001, longest_s=0.002, on_wait=lambda _, seconds: seen.append(seconds))(Failing(*[CUT] * 12))
        return seen

    one, other = waits(), waits()
    assert one != other
    assert all(0 <= wait <= min(0.002, 0.0001 * 2**number) for number, wait in enumerate(one))


def test_a_transfer_that_makes_progress_is_resumed_any_number_of_times(monkeypatch):
    monkeypatch.setattr("fedjobs_common.retries._TRANSFER_LONGEST_S", 0)
    call = Failing(*[CUT] * 30)
    assert resuming(lambda: call.calls)(call) == "done"


def test_a_transfer_without_progress_is_aborted(monkeypatch):
    monkeypatch.setattr("fedjobs_common.retries._TRANSFER_LONGEST_S", 0)
    call = Failing(*[CUT] * 30)
    with pytest.raises(FedjobsError):
        resuming(lambda: 5)(call)
    assert 3 < call.calls < 10


def test_a_transfer_of_an_ended_session_is_not_resumed():
    ended = FedjobsError(ErrorCode.SESSION_NOT_FOUND, "Join again.")
    call = Failing(ended)
    with pytest.raises(FedjobsError) as raised:
        resuming(lambda: 0)(call)
    assert raised.value is ended
    assert call.calls == 1
