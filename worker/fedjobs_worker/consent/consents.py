"""Decides whether a computation may run in this silo, by the policy or by an administrator's approval.

Consent applies to a scope (`consent_scopes`): to the digest of the shard's bytes, so that exactly the approved
computation runs, and to what it reads, what it sends and the limits in force.
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
from fedjobs_worker.consent.approvals import Approval, Approvals, Decisions
from fedjobs_worker.consent.audit_entries import Detail
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consent_scopes import ConsentScope, differences, scope_of
from fedjobs_worker.consent.data_reads import NOTHING, DataReads
from fedjobs_worker.consent.graphs import listings
from fedjobs_worker.consent.graphs.flows import OutputFlow, flows_of
from fedjobs_worker.consent.pending import Pending, PendingFolder
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.consent.shard_explanation import explain
from fedjobs_worker.policy_files import Policy
from fedjobs_worker.silo_files import SiloFile

APPROVAL = "policy.computations.approval"
MOST_WAITING = 32
"""Computations of a job that wait for approval at a time. Nobody reviews more."""
MOST_REFUSALS = 128
"""Refused computations of a job that a session records one by one."""
_MOST_FLOWS = 64  # shards of which the analysis is kept
_GRAPH_LINES = 120  # of the graphs, in the explanation of a computation that waits


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
        reads: The silo's datasets that it reads.
        offer: How the coordinator names its offer. Empty if it has not offered the computation.
    """

    digest: Digest
    shard: shard_pb2.Shard
    operations: frozenset[str]
    label: str = ""
    reads: DataReads = NOTHING
    offer: str = ""

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the datasets that it reads, sorted."""
        return self.reads.datasets


_Asked = tuple[Digest, DataReads]
"""A digest and the datasets that it reads. Each has a decision of its own."""


def decide(
    policy: Policy,
    silo: str,
    scope: ConsentScope,
    operations: Collection[str],
    decisions: Decisions,
    asked_at: float,
    now: float,
) -> Consent:
    """Decides whether a computation may run.

    Args:
        policy: The silo's policy.
        silo: The silo's name, for messages.
        scope: What the consent would cover.
        operations: All TensorFlow operations in the computation. They are always checked, even after an approval.
        decisions: The administrators' decisions about the computation.
        asked_at: The time of this job's first request, in seconds since 1970.
        now: The current time, in seconds since 1970.
    """
    computations, digest = policy.computations, Digest(scope.computation)
    allowed = policies.on_operations(policy, silo, operations)
    if isinstance(allowed, Refused):
        return allowed
    if decisions.problem:
        return Refused(APPROVAL, f"Silo {silo} cannot read its decisions about computations. See the silo's log.")
    if decisions.denial is not None:
        why = f": {decisions.denial.message}" if decisions.denial.message else ""
        return Refused(APPROVAL, f"The administrator of silo {silo} denied the computation {digest}{why}.")
    if decisions.covering(scope) or policies.is_listed(policy, digest, scope.datasets):
        return Allowed()
    changed = _changed(scope, decisions)
    if computations.approval == "Automatic":
        named = policies.on_digest(policy, silo, digest, scope.datasets)
        return Refused(named.rule, f"{named.message}{changed}") if isinstance(named, Refused) else named
    until = asked_at + computations.approval_deadline_seconds
    if now < until:
        return Awaiting(APPROVAL, f"The computation {digest} waits for approval by silo {silo}.{changed}", until)
    return Refused(
        APPROVAL,
        f"Silo {silo} did not approve the computation {digest} within {computations.approval_deadline_seconds} s. "
        f"Ask its administrator to run: fedjobs silo approve {digest[:12]}{changed and '.' + changed}",
    )


def _changed(scope: ConsentScope, decisions: Decisions) -> str:
    """Returns why an earlier approval of this computation does not count. Does not name columns (see `differences`)."""
    if not decisions.approvals:
        return ""
    parts = min((list(differences(a.scope, scope)) for a in decisions.approvals if a.scope), key=len, default=[])
    return f" An earlier approval does not cover it, because of {' and '.join(parts)}."


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
        self._flows: dict[Digest, tuple[OutputFlow, ...]] = {}
        self._said: dict[_Asked, tuple[Computation, ConsentScope, float, Consent]] = {}
        self._untold: dict[_Asked, None] = {}
        self._unverified: set[tuple[Digest, str]] = set()

    def of(self, computation: Computation) -> Consent:
        """Returns the current decision about a computation."""
        with self._lock:
            before = self._said.get((computation.digest, computation.reads))
            if before is not None:
                known, scope, asked_at, _ = before
                computation = replace(computation, label=known.label, offer=computation.offer or known.offer)
            else:
                scope = self.scope(computation)
                asked_at = self._asked_at(scope)
            return self._decided(computation, scope, asked_at)

    def scope(self, computation: Computation) -> ConsentScope:
        """Returns what a consent to a computation covers in this silo."""
        flows = self._flows_of(computation)
        return scope_of(computation.digest, computation.shard, computation.reads, self._silo, flows)

    def _flows_of(self, computation: Computation) -> tuple[OutputFlow, ...]:
        """Analyses a shard once. One that is refused for its operations was not verified, and is not analysed."""
        if isinstance(policies.on_operations(self._silo.policy, self._silo.silo, computation.operations), Refused):
            return ()
        if computation.digest not in self._flows:
            while len(self._flows) >= _MOST_FLOWS:
                del self._flows[next(iter(self._flows))]
            self._flows[computation.digest] = flows_of(computation.shard)
        return self._flows[computation.digest]

    def refused(self, digest: Digest, refusal: Refused, label: str, datasets: tuple[str, ...]) -> Refused:
        """Records a refusal, such as that of a shard that was not verified, once for each rule, and returns it.

        A coordinator can offer any number of shards. So the number of entries is bounded.
        """
        key = digest, refusal.rule
        with self._lock:
            if len(self._unverified) >= MOST_REFUSALS:
                return refusal
            if key not in self._unverified and all(said != refusal for *_, said in self._said.values()):
                self._unverified.add(key)
                self._audit.record("computation", refusal, shard=str(digest), label=label, datasets=list(datasets))
        return refusal

    def changed(self) -> list[tuple[Computation, Consent]]:
        """Returns the decisions about computations that no longer wait for approval, each once.

        If a decision cannot be recorded, it is made again in the next call, and the other decisions are returned.

        Raises:
            Exception: No decision could be recorded.
        """
        found: list[tuple[Computation, Consent]] = []
        failed: Exception | None = None
        with self._lock:
            for asked in list(self._untold):
                computation, scope, asked_at, _ = self._said[asked]
                try:
                    said = self._decided(computation, scope, asked_at)
                except Exception as error:
                    failed = error
                    continue
                if not isinstance(said, Awaiting):
                    del self._untold[asked]
                    found.append((computation, said))
        if failed is not None and not found:
            raise failed
        return found

    @property
    def waiting(self) -> bool:
        """Whether a computation waits for approval, or the coordinator does not know yet that it no longer does."""
        with self._lock:
            return bool(self._untold)

    def _decided(self, computation: Computation, scope: ConsentScope, asked_at: float) -> Consent:
        digest, silo = computation.digest, self._silo
        decisions = self._decisions(scope)
        said: Consent = policies.on_invited_datasets(self._invitation, silo.silo, computation.datasets)
        if isinstance(said, Allowed):
            said = decide(silo.policy, silo.silo, scope, computation.operations, decisions, asked_at, self._clock())
        asked = digest, computation.reads
        before = self._said.get(asked)
        if before is None and isinstance(said, Awaiting):
            said = self._with_room(said, scope)
        if before is None or before[-1] != said:
            if isinstance(said, Awaiting):
                self._pending.put(self._waiting(computation, scope, decisions, asked_at, said.until))
            elif not isinstance(said, Refused) or decisions.denial is not None:
                self._pending.remove(scope)
            self._record(computation, scope, said, decisions)
        # Last, so that only a decision that was recorded counts.
        self._said[asked] = computation, scope, asked_at, said
        if isinstance(said, Awaiting):
            self._untold[asked] = None
        return said

    def _decisions(self, scope: ConsentScope) -> Decisions:
        """Returns the decisions about a computation. A denial of one whose kept values it reads applies to it, too."""
        found = self._approvals.of(Digest(scope.computation))
        for kept in scope.kept:
            earlier = self._approvals.of(Digest(kept.shard))
            found = replace(found, denial=found.denial or earlier.denial, problem=found.problem or earlier.problem)
        return found

    def _with_room(self, said: Awaiting, scope: ConsentScope) -> Consent:
        """Refuses to let one more computation wait if many do, also those of an earlier process."""
        others = [pending for pending in self._pending.all() if pending.job_uid == self._invitation.job_uid]
        if len(others) < MOST_WAITING or any(pending.scope == scope for pending in others):
            return said
        return Refused(
            APPROVAL,
            f"{len(others)} computations of this job wait for approval by silo {self._silo.silo} already. Use the same "
            "computations on the same datasets in each round.",
        )

    def _asked_at(self, scope: ConsentScope) -> float:
        """Returns the time of this job's first request, which may be before a restart."""
        pending = self._pending.get(scope)
        return pending.since if pending and pending.job_uid == self._invitation.job_uid else self._clock()

    def _waiting(
        self, computation: Computation, scope: ConsentScope, decisions: Decisions, asked_at: float, until: float
    ) -> Pending:
        invitation, policy = self._invitation, self._silo.policy
        graph = listings.listed(computation.shard)
        return Pending(
            digest=computation.digest,
            silo=self._silo.silo,
            job_uid=invitation.job_uid,
            job_name=invitation.job_name,
            requested_by=invitation.requested_by,
            label=computation.label,
            since=asked_at,
            until=until,
            scope=scope,
            explanation=explain(
                computation.digest,
                computation.shard,
                computation.operations,
                label=computation.label,
                datasets=computation.datasets,
                policy=policy,
                scope=scope,
                approvals=decisions.approvals,
                flows=self._flows_of(computation),
                graph=listings.shortened(graph, _GRAPH_LINES),
            ),
            graph=listings.shortened(graph, listings.MOST_LINES),
        )

    def _record(self, computation: Computation, scope: ConsentScope, said: Consent, decisions: Decisions) -> None:
        about: dict[str, Detail] = {
            "shard": str(computation.digest),
            "label": computation.label,
            "datasets": list(computation.datasets),
            "scope": str(scope.digest),
        }
        decision: Approval | None = decisions.denial or decisions.covering(scope)
        if decision is not None:
            about |= {"by": decision.by, "at": decision.at}
        if decisions.problem:
            about["problem"] = decisions.problem
        if isinstance(said, Awaiting):
            self._audit.note("computation", decision="awaiting", rule=said.rule, message=said.message, **about)
        else:
            self._audit.record("computation", said, **about)


def message_of(digest: Digest, offer: str, said: Consent, now: float) -> pb.ShardConsent:
    """Returns the message for the coordinator: the decision about a shard, as the coordinator names its offer."""
    told = pb.ShardConsent(shard=bytes.fromhex(digest), scope=offer)
    if isinstance(said, Allowed):
        told.approved.SetInParent()
    elif isinstance(said, Awaiting):
        told.awaiting.CopyFrom(pb.Awaiting(rule=said.rule, message=said.message, seconds_left=said.until - now))
    else:
        told.refused.CopyFrom(pb.Refusal(rule=said.rule, message=said.message))
    return told
