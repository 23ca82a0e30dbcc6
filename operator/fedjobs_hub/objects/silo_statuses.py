"""A Silo's conditions, and when the agent was heard of: derived from what is written down, by whichever hub looks."""

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
"""How old `lastHeartbeatTime` may become while the agent is there."""
Verdict = tuple[bool, str, str]
"""Whether it is so, the reason, the message."""


def change(
    silo: KnownSilo, lease: AgentLease | None, namespace: str, grace: datetime.timedelta, now: Time
) -> dict[str, Any]:
    """What is to be changed in a Silo's status, as a merge patch; empty: nothing.

    Args:
        silo: As it is.
        lease: Of its agent.
        namespace: Of the Secret with its invitation.
        grace: How long an expired certificate can be renewed.
        now: The time.
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
    again = f"Invite it again: fedjobs silo invite {silo.name} --again"
    if silo.needs_invitation:
        return False, "InvitationPending", "A token is being made."
    if silo.key is None:
        if enrolment.token_expiration_time is not None and times.read(enrolment.token_expiration_time) < now:
            return False, "InvitationExpired", f"Nobody used the token until {enrolment.token_expiration_time}. {again}"
        where = f"the Secret {names.invitation(silo.name)} of namespace {namespace}"
        return (
            False,
            "Invited",
            f"The token waits for the silo until {enrolment.token_expiration_time}; it is in {where}.",
        )
    if expires is None or times.read(expires) >= now:
        return True, "Enrolled", "It holds a certificate of this federation."
    until = times.read(expires) + grace
    if until < now:
        return False, "GracePeriodExpired", f"Its certificate ended at {expires}, too long ago to be renewed. {again}"
    message = f"Its certificate ended at {expires}; its agent can renew it until {times.written(until)}."
    return False, "CertificateExpired", message


def _connected(silo: KnownSilo, lease: AgentLease | None, now: Time) -> Verdict:
    if silo.suspended:
        return False, "Suspended", "The federation has suspended it."
    if silo.key is None:
        return False, "NotEnrolled", "Its agent has no certificate that counts."
    if lease is None:
        return False, "NeverConnected", "Its agent has not been heard of yet."
    if lease.is_connected(now):
        return True, "AgentConnected", f"Its agent {lease.agent_id} is here since {times.written(lease.began)}."
    return False, "HeartbeatLost", f"Its agent {lease.agent_id} was heard of last at {times.written(lease.heard)}."


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
