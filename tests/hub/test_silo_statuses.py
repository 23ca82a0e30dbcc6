from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from fedjobs_hub.objects import silo_statuses
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.silos import KnownSilo

from tests.hub.builders import DAY, HOUR, NOW, SiloBuilder, a_lease, a_silo

GRACE = datetime.timedelta(days=30)


def change(silo: KnownSilo, lease: AgentLease | None = None, now: datetime.datetime = NOW) -> dict[str, Any]:
    return silo_statuses.change(silo, lease, "fedjobs-system", GRACE, now)


def reasons(silo: KnownSilo, lease: AgentLease | None = None) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in change(silo, lease)["conditions"]}


@pytest.mark.parametrize(
    ("silo", "enrolled"),
    [
        (a_silo(), ("False", "InvitationPending")),
        (a_silo().invited(), ("False", "Invited")),
        (a_silo().invited(NOW - HOUR), ("False", "InvitationExpired")),
        (a_silo().enrolled(), ("True", "Enrolled")),
        (a_silo().enrolled(until=NOW - HOUR), ("False", "CertificateExpired")),
        (a_silo().enrolled(until=NOW - GRACE - HOUR), ("False", "GracePeriodExpired")),
        (a_silo().enrolled().asked_again(), ("False", "InvitationPending")),
    ],
)
def test_whether_a_silo_is_enrolled(silo: SiloBuilder, enrolled: tuple[str, str]) -> None:
    assert reasons(silo.known())["Enrolled"] == enrolled


def test_whether_a_silo_is_connected() -> None:
    silo = a_silo().enrolled().known()
    assert reasons(silo)["Connected"] == ("False", "NeverConnected")
    assert reasons(silo, a_lease(silo))["Connected"] == ("True", "AgentConnected")
    assert reasons(silo, a_lease(silo, heard=NOW - DAY))["Connected"] == ("False", "HeartbeatLost")
    suspended = a_silo().enrolled().suspended().known()
    assert reasons(suspended, a_lease(suspended))["Connected"] == ("False", "Suspended")
    invited = a_silo().invited().known()
    assert reasons(invited, a_lease(invited))["Connected"] == ("False", "NotEnrolled")


def test_the_agent_of_an_earlier_silo_of_that_name_does_not_count() -> None:
    earlier = a_silo().enrolled()
    earlier.metadata["uid"] = "another"
    assert reasons(a_silo().enrolled().known(), a_lease(earlier.known()))["Connected"] == ("False", "NeverConnected")


def test_a_message_names_the_tokens_secret_and_the_next_step() -> None:
    messages = [each["message"] for each in change(a_silo().invited().known())["conditions"]]
    assert "the Secret fedjobs-invitation-hospital-a in namespace fedjobs-system" in messages[0]
    messages = [each["message"] for each in change(a_silo().invited(NOW - HOUR).known())["conditions"]]
    assert "fedjobs silo invite hospital-a --again" in messages[0]


def test_an_unchanged_status_is_not_written() -> None:
    silo = a_silo().enrolled()
    lease = a_lease(silo.known())
    silo.status |= change(silo.known(), lease)
    assert change(silo.known(), lease, NOW + HOUR / 60) == {}


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    silo = a_silo().enrolled()
    silo.status |= change(silo.known())
    later = change(silo.known(), a_lease(silo.known(), heard=NOW + HOUR), NOW + HOUR)["conditions"]
    assert [each["lastTransitionTime"] for each in later] == ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"]


def test_the_heartbeat_is_written_once_a_minute() -> None:
    silo = a_silo().enrolled()
    silo.status |= change(silo.known(), a_lease(silo.known()))
    assert silo.status["lastHeartbeatTime"] == "2026-01-31T12:00:00Z"
    for seconds, expected in ((59, {}), (60, {"lastHeartbeatTime": "2026-01-31T12:01:00Z"})):
        heard = NOW + datetime.timedelta(seconds=seconds)
        lease = dataclasses.replace(a_lease(silo.known()), heard=heard)
        assert change(silo.known(), lease, heard) == expected
