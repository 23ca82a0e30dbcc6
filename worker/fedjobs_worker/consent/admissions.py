"""Whether this silo takes part in a job: what its policy says to the invitation, recorded."""

from __future__ import annotations

from fedjobs_protocol.hub.invitations import Invitation

from fedjobs_worker.consent import limits, policies
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Decision
from fedjobs_worker.consent.usages import Ledger, day_of
from fedjobs_worker.silo_files import SiloFile


def admitted(silo: SiloFile, invitation: Invitation, audit: Audit, ledger: Ledger, now: float) -> Decision:
    """What the policy says to an invitation; of several that share a log, one after the other is asked.

    Args:
        silo: The silo's file.
        invitation: To a job.
        audit: Where it is recorded.
        ledger: What jobs have taken so far.
        now: Seconds since 1970.
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
