"""Decides whether a computation may run in this silo, by the policy or by an administrator's approval.

Consent applies to the digest of the shard's bytes, so exactly the approved computation runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeAlias

from fedjobs_common.ids import Digest
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.consent import policies
from fedjobs_worker.consent.approvals import Approval, Approvals
from fedjobs_worker.consent.audit_entries import Detail
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.pending import Pending, PendingFolder
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.consent.shard_explanation import explain
from fedjobs_worker.policy_files import Policy
from fedjobs_worker.silo_files import SiloFile

APPROVAL = "policy.computations.approval"


@dataclass(frozen=True)
class Awaiting:
    """The computation waits for approval.

    Attributes:
        rule: The field of the silo file that requires approval.
        message: A message for the user who runs the job.
        until: The deadline in seconds since 1970. After that, the computation is refused.
    """

    rule: str
    message: str
    until: float


Consent: TypeAlias = Allowed | Awaiting | Refused


@dataclass(frozen=True)
class Computation:
    """A shard that a silo was asked to run.

    Attributes:
        digest: The digest of the serialized shard.
        shard: The parsed shard.
        operations: All TensorFlow operations in the shard.
        label: The coordinator's name for the computation.
        datasets: The names of the datasets that it reads.
    """

    digest: Digest
    shard: shard_pb2.Shard
    operations: frozenset[str]
    label: str = ""
    datasets: tuple[str, ...] = ()


def decide(
    policy: Policy,
    silo: str,
    digest: Digest,
    operations: Collection[str],
    approval: Approval | None,
    asked_at: float,
    now: float,
) -> Consent:
    """Decides whether a computation may run.

    Args:
        policy: The silo's policy.
        silo: The silo's name, for messages.
        digest: The computation's digest.
        operations: All TensorFlow operations in the computation. They are always checked, even after an approval.
        approval: The administrator's decision, if there is one.
        asked_at: The time of this job's first request, in seconds since 1970.
        now: The current time, in seconds since 1970.
    """
    computations = policy.computations
    allowed = policies.on_operations(policy, silo, operations)
    if isinstance(allowed, Refused):
        return allowed
    if approval is not None and approval.decision == "denied":
        why = f": {approval.message}" if approval.message else ""
        return Refused(APPROVAL, f"The administrator of silo {silo} denied the computation {digest}{why}.")
    named = policies.on_digest(policy, silo, digest)
    if approval is not None or digest in (computations.digests or ()):
        return Allowed()
    if computations.approval == "Automatic":
        return named
    until = asked_at + computations.approval_deadline_seconds
    if now < until:
        return Awaiting(APPROVAL, f"The computation {digest} waits for approval by silo {silo}.", until)
    return Refused(
        APPROVAL,
        f"Silo {silo} did not approve the computation {digest} within {computations.approval_deadline_seconds} s. "
        f"Ask its administrator to run: fedjobs silo approve {digest[:12]}",
    )


class Consents:
    """Decides about the computations of one job. Thread-safe.

    Args:
        silo: The silo file.
        invitation: The invitation to the job.
        audit: The audit log. Each decision is recorded once.
        approvals: The decisions of administrators.
        pending: The folder for computations that wait for approval.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        silo: SiloFile,
        invitation: Invitation,
        audit: Audit,
        approvals: Approvals,
        pending: PendingFolder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._silo = silo
        self._invitation = invitation
        self._audit = audit
        self._approvals = approvals
        self._pending = pending
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[Digest, tuple[Computation, float, Consent]] = {}
        self._unverified: set[tuple[Digest, str]] = set()

    def of(self, computation: Computation) -> Consent:
        """Returns the current decision about a computation."""
        with self._lock:
            before = self._said.get(computation.digest)
            if before is not None:
                known, asked_at, _ = before
                computation = replace(computation, label=known.label, datasets=known.datasets)
            else:
                asked_at = self._asked_at(computation.digest)
            return self._decided(computation, asked_at)

    def refused(self, digest: Digest, refusal: Refused, label: str, datasets: tuple[str, ...]) -> Refused:
        """Records a refusal, such as that of a shard that was not verified, once for each rule, and returns it."""
        key = digest, refusal.rule
        with self._lock:
            if key not in self._unverified and all(said != refusal for *_, said in self._said.values()):
                self._unverified.add(key)
                self._audit.record("computation", refusal, shard=str(digest), label=label, datasets=list(datasets))
        return refusal

    def changed(self) -> list[tuple[Digest, Consent]]:
        """Returns the decisions about computations that no longer wait for approval."""
        with self._lock:
            waiting = [(c, asked_at) for c, asked_at, said in self._said.values() if isinstance(said, Awaiting)]
            now = [(computation.digest, self._decided(computation, asked_at)) for computation, asked_at in waiting]
        return [(digest, said) for digest, said in now if not isinstance(said, Awaiting)]

    @property
    def waiting(self) -> bool:
        """Whether a computation waits for approval."""
        with self._lock:
            return any(isinstance(said, Awaiting) for *_, said in self._said.values())

    def _decided(self, computation: Computation, asked_at: float) -> Consent:
        digest = computation.digest
        approval = self._approvals.of(digest)
        said = decide(
            self._silo.policy, self._silo.silo, digest, computation.operations, approval, asked_at, self._clock()
        )
        before = self._said.get(digest)
        self._said[digest] = computation, asked_at, said
        if before is None or before[2] != said:
            if isinstance(said, Awaiting):
                self._pending.put(self._waiting(computation, asked_at, said.until))
            elif not isinstance(said, Refused) or approval is not None:
                self._pending.remove(digest)
            self._record(computation, said, approval)
        return said

    def _asked_at(self, digest: Digest) -> float:
        """Returns the time of this job's first request, which may be before a restart."""
        pending = self._pending.get(digest)
        return pending.since if pending and pending.job_uid == self._invitation.job_uid else self._clock()

    def _waiting(self, computation: Computation, asked_at: float, until: float) -> Pending:
        invitation, policy = self._invitation, self._silo.policy
        return Pending(
            digest=computation.digest,
            silo=self._silo.silo,
            job_uid=invitation.job_uid,
            job_name=invitation.job_name,
            requested_by=invitation.requested_by,
            label=computation.label,
            since=asked_at,
            until=until,
            explanation=explain(
                computation.digest,
                computation.shard,
                computation.operations,
                label=computation.label,
                datasets=computation.datasets,
                policy=policy,
            ),
        )

    def _record(self, computation: Computation, said: Consent, approval: Approval | None) -> None:
        about: dict[str, Detail] = {
            "shard": str(computation.digest),
            "label": computation.label,
            "datasets": list(computation.datasets),
        }
        if approval is not None:
            about |= {"by": approval.by, "at": approval.at}
        if isinstance(said, Awaiting):
            self._audit.note("computation", decision="awaiting", rule=said.rule, message=said.message, **about)
        else:
            self._audit.record("computation", said, **about)


def message_of(digest: Digest, said: Consent, now: float) -> pb.ShardConsent:
    """Returns the message for the coordinator."""
    told = pb.ShardConsent(shard=bytes.fromhex(digest))
    if isinstance(said, Allowed):
        told.approved.SetInParent()
    elif isinstance(said, Awaiting):
        told.awaiting.CopyFrom(pb.Awaiting(rule=said.rule, message=said.message, seconds_left=said.until - now))
    else:
        told.refused.CopyFrom(pb.Refusal(rule=said.rule, message=said.message))
    return told
