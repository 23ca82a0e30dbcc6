"""Decides whether this silo takes part in a job, and records the decision."""

from __future__ import annotations

from fedjobs_protocol.hub.invitations import Invitation

from fedjobs_worker.consent import limits, policies
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Decision
from fedjobs_worker.consent.usages import Ledger, day_of
from fedjobs_worker.silo_files import SiloFile


def admitted(silo: SiloFile, invitation: Invitation, audit: Audit, ledger: Ledger, now: float) -> Decision:
    """Decides about an invitation. Workers that share an audit log decide one after the other.

    Args:
        silo: The silo file.
        invitation: The invitation to the job.
        audit: The audit log.
        ledger: What jobs have used so far.
        now: The time in seconds since 1970.
    """
    with audit.alone():
        decision = policies.on_invitation(silo.policy, silo.silo, silo.datasets, invitation)
        if isinstance(decision, Allowed):
            decision = limits.on_job(silo.policy.limits, silo.silo, ledger.usage(), invitation.job_uid, day_of(now))
        audit.record(
            "invitation",
            decision,
            name=invitation.job_name,
            namespace=invitation.namespace,
            requester=invitation.requested_by,
            program=invitation.program,
            datasets=invitation.datasets,
        )
    return decision
