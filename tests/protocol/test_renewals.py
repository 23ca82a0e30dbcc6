from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities import renewals
from fedjobs_protocol.identities.identities import Identity, RunAuthority
from fedjobs_protocol.identities.renewals import Renewing, due

JOB, SILO = "0f8e7d6c-5b4a-4938-a716-253443526170", "hospital-a"
HOUR, MINUTE, SECOND = datetime.timedelta(hours=1), datetime.timedelta(minutes=1), datetime.timedelta(seconds=1)
AUTHORITY = RunAuthority.create()
Made = Callable[..., Renewing]


def an_identity(lifetime: datetime.timedelta = HOUR) -> Identity:
    return AUTHORITY.issue_silo(JOB, SILO, lifetime)


class Hub:
    """Issues identities, unless an error is set."""

    def __init__(self, lifetime: datetime.timedelta = HOUR) -> None:
        self.lifetime = lifetime
        self.issued = 0
        self.troubles: list[Exception] = []

    def obtain(self) -> Identity:
        if self.troubles:
            raise self.troubles.pop(0)
        self.issued += 1
        return an_identity(self.lifetime)

    def renew(self, last: Identity) -> Identity:
        assert last.certificate
        return self.obtain()


@pytest.fixture
def renewing() -> Iterator[Made]:
    made: list[Renewing] = []

    def make(hub: Hub, clock: Callable[[], datetime.datetime] = renewals.now) -> Renewing:
        made.append(Renewing(hub.obtain, hub.renew, clock))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_certificate_is_renewed_when_a_third_of_its_lifetime_is_left() -> None:
    identity = an_identity(HOUR)
    arrived = identity.issued + 5 * SECOND
    assert due(identity, arrived, fresh=True) == arrived + 40 * MINUTE


@pytest.mark.parametrize("off", [-10 * MINUTE, 10 * MINUTE])
def test_a_wrong_clock_does_not_affect_a_new_certificate(off: datetime.timedelta) -> None:
    identity = an_identity(MINUTE)
    arrived = identity.issued + off
    assert due(identity, arrived, fresh=True) - arrived == 40 * SECOND


def test_a_stored_certificate_is_renewed_by_its_dates() -> None:
    identity = an_identity(HOUR)
    assert due(identity, identity.issued + 50 * MINUTE, fresh=False) == identity.issued + 40 * MINUTE


def test_it_is_renewed_repeatedly(renewing: Made) -> None:
    holder = renewing(Hub(SECOND * 0.1))
    first = holder.first()
    second = holder.after(first, 20)
    third = holder.after(second, 20)
    assert len({first.certificate, second.certificate, third.certificate}) == 3


def test_without_a_hub_the_current_certificate_is_used(renewing: Made) -> None:
    hub = Hub()
    holder = renewing(hub)
    first = holder.first()
    hub.troubles = [FedjobsError(ErrorCode.UNAVAILABLE, "away")] * 3
    holder.hurry(first)
    assert holder.current() == first
    assert holder.after(first, 20) != first
    assert hub.issued == 2


def test_without_a_certificate_the_error_gives_the_reason(renewing: Made) -> None:
    tried = threading.Event()

    class Away(Hub):
        def obtain(self) -> Identity:
            if tried.is_set():
                threading.Event().wait(0.05)
            tried.set()
            raise FedjobsError(ErrorCode.UNAVAILABLE, "away")

    holder = renewing(Away())
    assert tried.wait(20)
    with pytest.raises(FedjobsError) as caught:
        holder.current()
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_waiting_for_the_first_certificate_outlasts_an_outage_of_the_hub(renewing: Made) -> None:
    hub = Hub()
    hub.troubles = [FedjobsError(ErrorCode.UNAVAILABLE, "away")] * 2
    assert renewing(hub).first()


def test_waiting_for_the_first_certificate_ends_with_a_refusal(renewing: Made) -> None:
    hub = Hub()
    hub.troubles = [FedjobsError(ErrorCode.INVALID_TOKEN, "another's")]
    with pytest.raises(FedjobsError, match="another's"):
        renewing(hub).first()


def test_a_refused_renewal_is_retried(renewing: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewals, "REFUSED_AGAIN_S", 0.01)
    hub = Hub()
    holder = renewing(hub)
    first = holder.first()
    hub.troubles = [FedjobsError(ErrorCode.SILO_NOT_FOUND, "deleted"), RuntimeError("a bug")]
    holder.hurry(first)
    assert holder.after(first, 20) != first


def test_a_request_to_renew_is_for_one_identity(renewing: Made) -> None:
    hub = Hub()
    holder = renewing(hub)
    first = holder.first()
    holder.hurry(first)
    second = holder.after(first, 20)
    holder.hurry(first)
    assert holder.after(second, 0.05) == second
    assert hub.issued == 2


def test_closing_ends_every_wait(renewing: Made) -> None:
    hub = Hub()
    hub.troubles = [FedjobsError(ErrorCode.UNAVAILABLE, "away")] * 1000
    holder = renewing(hub)
    ended: list[ErrorCode] = []

    def wait() -> None:
        try:
            holder.first()
        except FedjobsError as error:
            ended.append(error.code)

    waiting = threading.Thread(target=wait)
    waiting.start()
    holder.close()
    waiting.join(20)
    assert ended == [ErrorCode.UNAVAILABLE]
