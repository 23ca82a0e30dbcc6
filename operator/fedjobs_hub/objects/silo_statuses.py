"""Computes a Silo's conditions and the time of its last heartbeat from stored objects. Any hub gets the same result."""

from __future__ import annotations

import datetime
from typing import Any

from fedjobs_api import times
from fedjobs_api.conditions import Condition, SiloCondition
from fedjobs_api.times import Time

from fedjobs_hub import names
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.silos import KnownSilo

_SEEN_EVERY = datetime.timedelta(minutes=1)
"""The update interval of `lastHeartbeatTime` while the agent is connected."""
Verdict = tuple[bool, str, str]
"""The status, reason and message of a condition."""


def change(
    silo: KnownSilo, lease: AgentLease | None, namespace: str, grace: datetime.timedelta, now: Time
) -> dict[str, Any]:
    """Returns a merge patch for a Silo's status. It is empty if nothing has changed.

    Args:
        silo: The silo.
        lease: The Lease of its agent.
        namespace: The namespace of the Secret with its invitation.
        grace: How long an expired certificate can be renewed.
        now: The current time.
    """
    if lease is not None and lease.silo_uid != silo.uid:
        lease = None
    verdicts = {
        SiloCondition.ENROLLED: _enrolled(silo, namespace, grace, now),
        SiloCondition.CONNECTED: _connected(silo, lease, now),
    }
    before = {condition.type: condition for condition in silo.status.conditions or ()}
    after = {
        str(kind): _carried_on(before.get(str(kind)), kind, verdict, silo, now) for kind, verdict in verdicts.items()
    }
    changes: dict[str, Any] = {}
    if after != before:
        changes["conditions"] = [each.model_dump(by_alias=True, exclude_none=True) for each in after.values()]
    if lease is not None and _is_news(silo.status.last_heartbeat_time, lease, bool(changes)):
        changes["lastHeartbeatTime"] = times.written(lease.heard)
    return changes


def _enrolled(silo: KnownSilo, namespace: str, grace: datetime.timedelta, now: Time) -> Verdict:
    enrolment, expires = silo.enrolment, silo.status.certificate_expiration_time
    again = f"Invite the silo again with: fedjobs silo invite {silo.name} --again"
    if silo.needs_invitation:
        return False, "InvitationPending", "The hub is creating a token."
    if silo.key is None:
        if enrolment.token_expiration_time is not None and times.read(enrolment.token_expiration_time) < now:
            message = f"The token expired unused at {enrolment.token_expiration_time}. {again}"
            return False, "InvitationExpired", message
        where = f"the Secret {names.invitation(silo.name)} in namespace {namespace}"
        message = f"The silo has not used its token yet. The token is in {where}, and expires at "
        return False, "Invited", f"{message}{enrolment.token_expiration_time}."
    if expires is None or times.read(expires) >= now:
        return True, "Enrolled", "The silo has a valid certificate of this federation."
    until = times.read(expires) + grace
    if until < now:
        message = f"The silo's certificate expired at {expires}, and the grace period for renewal is over. {again}"
        return False, "GracePeriodExpired", message
    message = f"The silo's certificate expired at {expires}. Its agent can renew it until {times.written(until)}."
    return False, "CertificateExpired", message


def _connected(silo: KnownSilo, lease: AgentLease | None, now: Time) -> Verdict:
    if silo.suspended:
        return False, "Suspended", "The federation has suspended the silo."
    if silo.key is None:
        return False, "NotEnrolled", "The silo's agent has no valid certificate."
    if lease is None:
        return False, "NeverConnected", "The silo's agent has not connected yet."
    if lease.is_connected(now):
        since = times.written(lease.began)
        return True, "AgentConnected", f"The agent {lease.agent_id} has been connected since {since}."
    return False, "HeartbeatLost", f"The last call of the agent {lease.agent_id} was at {times.written(lease.heard)}."


def _carried_on(
    before: Condition | None, kind: SiloCondition, verdict: Verdict, silo: KnownSilo, now: Time
) -> Condition:
    is_true, reason, message = verdict
    status = "True" if is_true else "False"
    changed = before is None or before.status != status
    return Condition(
        type=kind,
        status="True" if is_true else "False",
        observed_generation=silo.generation,
        last_transition_time=times.written(now) if before is None or changed else before.last_transition_time,
        reason=reason,
        message=message,
    )


def _is_news(seen: str | None, lease: AgentLease, anyway: bool) -> bool:
    if seen is None:
        return True
    since = lease.heard - times.read(seen)
    return since >= (datetime.timedelta(seconds=1) if anyway else _SEEN_EVERY)
