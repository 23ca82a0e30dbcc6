"""Decides whether this silo takes part in a job, and records the decision."""

from __future__ import annotations

from fedjobs_protocol.hub.invitations import Invitation

from fedjobs_worker.consent import limits, policies
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Decision
from fedjobs_worker.consent.usages import Ledger
from fedjobs_worker.silo_files import SiloFile


def admitted(silo: SiloFile, invitation: Invitation, audit: Audit, ledger: Ledger) -> Decision:
    """Decides about an invitation. Workers that share an audit log decide one after the other.

    Args:
        silo: The silo file.
        invitation: The invitation to the job.
        audit: The audit log.
        ledger: What jobs have used so far.
    """
    with audit.alone():
        decision = policies.on_invitation(silo.policy, silo.silo, silo.datasets, invitation)
        if isinstance(decision, Allowed):
            usage = ledger.usage()
            decision = limits.on_job(
                silo.policy.limits, silo.silo, usage, invitation.job_uid, usage.today(ledger.now())
            )
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
