from __future__ import annotations

import datetime

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_hub.objects import enrolments
from fedjobs_hub.objects.silos import KnownSilo

from tests.hub.builders import DAY, HOUR, KEY, NOW, OTHER_KEY, SECRET, a_silo

GRACE = datetime.timedelta(days=30)


def refusal(silo: KnownSilo | None, secret: str = SECRET, key: str = KEY) -> tuple[ErrorCode, str]:
    with pytest.raises(FedjobsError) as refused:
        enrolments.check_token(silo, secret, key, NOW)
    assert SECRET not in refused.value.public
    return refused.value.code, refused.value.message


def test_the_first_key_may_use_the_token_repeatedly_until_it_expires() -> None:
    assert enrolments.check_token(a_silo().invited().known(), SECRET, KEY, NOW).name == "hospital-a"
    used = a_silo().invited().enrolled(KEY).known()
    assert enrolments.check_token(used, SECRET, KEY, NOW + DAY) == used
    with pytest.raises(FedjobsError):
        enrolments.check_token(used, SECRET, KEY, NOW + DAY + HOUR)


def test_another_key_may_not_use_the_token() -> None:
    code, message = refusal(a_silo().invited().enrolled(OTHER_KEY).known())
    assert (code, message) == (ErrorCode.INVALID_TOKEN, "The token of silo hospital-a has been used with another key.")


def test_a_stranger_does_not_learn_which_silos_exist() -> None:
    nothing = refusal(None)
    assert nothing[0] is ErrorCode.INVALID_TOKEN
    for silo in (
        a_silo().known(),
        a_silo().invited().known(),
        a_silo().invited().suspended().known(),
        a_silo().invited(NOW - DAY).known(),
        a_silo().invited().enrolled(OTHER_KEY).known(),
    ):
        assert refusal(silo, "a wrong one") == nothing


def test_the_owner_of_an_expired_token_learns_when_it_expired() -> None:
    code, message = refusal(a_silo().invited(NOW - HOUR).known())
    assert code is ErrorCode.INVALID_TOKEN
    assert message == "The token of silo hospital-a expired at 2026-01-31T11:00:00Z."


def test_an_old_token_is_invalid_once_the_silo_is_to_be_invited_again() -> None:
    assert refusal(a_silo().invited().enrolled().asked_again().known()) == refusal(None)


@pytest.mark.parametrize("silo", [a_silo().invited().suspended(), a_silo().invited().deleted()])
def test_a_suspended_silo_cannot_enrol(silo: object) -> None:
    assert refusal(silo.known())[0] is ErrorCode.SILO_SUSPENDED  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("silo", "code"),
    [
        (None, ErrorCode.SILO_NOT_FOUND),
        (a_silo().known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(OTHER_KEY).known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(KEY).asked_again().known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(KEY).suspended().known(), ErrorCode.SILO_SUSPENDED),
        (a_silo().enrolled(KEY).deleted().known(), ErrorCode.SILO_SUSPENDED),
    ],
)
def test_a_certificate_alone_does_not_authorize_an_agent(silo: KnownSilo | None, code: ErrorCode) -> None:
    with pytest.raises(FedjobsError) as refused:
        enrolments.check_agent(silo, "hospital-a", KEY)
    assert refused.value.code is code
    assert "hospital-a" in refused.value.message


def test_an_agent_with_the_silos_key_is_accepted() -> None:
    silo = a_silo().enrolled(KEY).known()
    assert enrolments.check_agent(silo, "hospital-a", KEY) == silo


def test_an_expired_certificate_is_renewed_for_the_same_key_within_the_grace_period() -> None:
    silo = a_silo().enrolled(KEY, until=NOW - GRACE).known()
    assert enrolments.check_expired(silo, KEY, NOW, GRACE) == silo


@pytest.mark.parametrize(
    ("silo", "code"),
    [
        (None, ErrorCode.INVALID_CERTIFICATE),
        (a_silo().invited().known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(OTHER_KEY).known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(KEY, until=NOW - GRACE - HOUR).known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(KEY).asked_again().known(), ErrorCode.INVALID_CERTIFICATE),
        (a_silo().enrolled(KEY).suspended().known(), ErrorCode.SILO_SUSPENDED),
    ],
)
def test_an_expired_certificate_is_not_renewed_for_others(silo: KnownSilo | None, code: ErrorCode) -> None:
    with pytest.raises(FedjobsError) as refused:
        enrolments.check_expired(silo, KEY, NOW, GRACE)
    assert refused.value.code is code


def test_a_request_for_a_new_invitation_is_handled_once() -> None:
    asked = a_silo().invited().asked_again("first")
    assert asked.known().needs_invitation
    asked.status["enrolment"]["lastHandledInviteAgain"] = "first"
    assert not asked.known().needs_invitation
    del asked.metadata["annotations"]
    assert not asked.known().needs_invitation
    assert asked.asked_again("second").known().needs_invitation
