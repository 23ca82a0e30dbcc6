"""The gate: all that leaves the silo towards the coordinator of a job.

Nothing that derives from data, or comes from a runner, goes another way. The gate bounds it, counts it, and records it
in the audit log before it is sent.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest, JobUid
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.consent import limits
from fedjobs_worker.consent.audit_entries import Detail
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consents import Consent, message_of
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger
from fedjobs_worker.release import failures, results
from fedjobs_worker.release.failures import Failure
from fedjobs_worker.release.finished import Finished
from fedjobs_worker.release.node_names import known_node
from fedjobs_worker.release.results import ResultMismatchError
from fedjobs_worker.release.texts import LONGEST_NAME, LONGEST_TEXT
from fedjobs_worker.silo_files import SiloFile

REPEATED = "repeatedWork"
"""The rule of a refusal to answer the same work with something else than before."""
_LOG = structlog.get_logger()


class ReleaseGate:
    """Decides what leaves the silo for one job.

    Args:
        silo: The silo file.
        job: The job's uid.
        audit: The audit log.
        ledger: What the job has used so far.
    """

    def __init__(self, silo: SiloFile, job: JobUid, audit: Audit, ledger: Ledger) -> None:
        self._silo = silo
        self._job = job
        self._audit = audit
        self._ledger = ledger

    def result(
        self,
        work: pb.Work,
        asked: Digest,
        declared: Sequence[shard_pb2.Leaf],
        memory: int,
        clients: int,
        device: str,
    ) -> Finished:
        """Releases accumulators. Takes over the memory, and closes it unless it is part of the outcome.

        Args:
            work: The work item.
            asked: The digest of what it asks for. See `work_items.asked_by`.
            declared: The accumulators of the shard.
            memory: The memory that the runner wrote to.
            clients: The number of local clients, as the session counted them.
            device: The name of the device, from `texts.device_name`.
        """
        try:
            size, digest = results.seal(memory, declared)
            decision = self._decided_on_result(work, asked, size, digest, clients)
        except ResultMismatchError as error:
            os.close(memory)
            _LOG.error(
                "the runner's result is not what the shard declares",
                work=printable(work.work_id, LONGEST_NAME),
                reason=str(error),
            )
            return self.failure(work, asked, None, Failure(FailureClass.RESULT_MISMATCH, ran=True))
        except BaseException:
            os.close(memory)
            raise
        if isinstance(decision, Refused):
            os.close(memory)
            return self.refusal(work, decision, ran=True)
        result = pb.Result(clients=clients, device=device)
        return Finished(_report(work, result=result), memory, size)

    def nothing(self, work: pb.Work, asked: Digest) -> Finished:
        """Releases the outcome of work over no clients."""
        self._record("result", Allowed(), work, bytes=0, clients=0, asked=asked)
        return Finished(_report(work, result=pb.Result(clients=0, device="none")))

    def failure(self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard | None, failure: Failure) -> Finished:
        """Releases a failure: its class, and the node if the shard has it.

        Args:
            work: The work item.
            asked: The digest of what it asks for.
            shard: The verified shard, or None if the failure names no node.
            failure: The failure.
        """
        try:
            return self._recorded_failure(work, asked, shard, failure)
        except FedjobsError as error:
            if error.code not in (ErrorCode.DISK_FULL, ErrorCode.UNAVAILABLE):
                raise
            # What is not recorded does not leave. The refusal says nothing about the work.
            _LOG.error("cannot record a failure, so it is not sent", code=error.code.label, error=error.public)
            silo = self._silo.silo
            return self.refusal(
                work,
                Refused(
                    limits.AUDIT_LOG,
                    f"Silo {silo} cannot write its audit log, or the job's part of it is full. It does no more work "
                    "for the job. Ask the silo's people, or start a new job.",
                ),
                ran=failure.ran,
            )

    def _recorded_failure(
        self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard | None, failure: Failure
    ) -> Finished:
        node = known_node(shard, failure.node) if shard is not None else ""
        policy, silo = self._silo.policy, self._silo.silo
        message = failures.message_of(silo, failure, node, share_schemas=policy.share_dataset_schemas)
        size = message.ByteSize()
        with self._audit.alone():
            usage = self._ledger.usage()
            decision: Decision = Allowed()
            # That values are lost depends on a restart, and on no data. So it may follow a result.
            lost = failure.kind is FailureClass.KEPT_MISSING
            if limits.answer_of(usage, self._job, asked) is not None and not lost:
                decision = self._repeated()
            elif failure.ran:
                decision = limits.on_bytes(policy.limits, silo, usage, self._job, usage.today(self._ledger.now()), size)
            self._record("failure", decision, work, failure=failure.kind.label, node=node, bytes=size, asked=asked)
        if isinstance(decision, Refused):
            return self.refusal(work, decision, ran=failure.ran)
        return Finished(_report(work, failure=message), repeatable=failure.ran)

    def rejected(self, work: pb.Work, failure: Failure) -> Finished:
        """Returns the report for a result that the coordinator did not accept. The result was counted already."""
        message = failures.message_of(self._silo.silo, failure, "", share_schemas=False)
        return Finished(_report(work, failure=message))

    def refusal(self, work: pb.Work, refused: Refused, *, ran: bool = False) -> Finished:
        """Releases a refusal. The decision is in the audit log already.

        Args:
            work: The work item.
            refused: The decision.
            ran: Whether the work ran. Then a repeated request gets the same refusal. Otherwise the silo decides again,
                because a person may have approved the computation in the meantime.
        """
        rule, message = printable(refused.rule, LONGEST_TEXT), printable(refused.message, LONGEST_TEXT)
        return Finished(_report(work, refusal=pb.Refusal(rule=rule, message=message)), repeatable=ran)

    def consent(self, digest: Digest, offer: str, said: Consent, now: float) -> pb.ShardConsent:
        """Returns the answer to an offer.

        Args:
            digest: The shard's digest.
            offer: How the coordinator names the offer.
            said: The decision.
            now: The current time, in seconds since 1970.
        """
        message = message_of(digest, offer, said, now)
        if message.HasField("refused"):
            message.refused.message = printable(message.refused.message, LONGEST_TEXT)
        return message

    def _decided_on_result(self, work: pb.Work, asked: Digest, size: int, digest: Digest, clients: int) -> Decision:
        silo = self._silo
        with self._audit.alone():
            usage = self._ledger.usage()
            answered = limits.answer_of(usage, self._job, asked)
            decision: Decision
            if answered is not None:
                decision = Allowed() if limits.is_answer(answered, digest) else self._repeated()
            else:
                today = usage.today(self._ledger.now())
                decision = limits.on_bytes(silo.policy.limits, silo.silo, usage, self._job, today, size)
            self._record("result", decision, work, bytes=size, clients=clients, asked=asked, result=digest)
        return decision

    def _record(self, subject: str, decision: Decision, work: pb.Work, **details: Detail) -> None:
        about = {"work": printable(work.work_id, LONGEST_NAME), "shard": work.shard.digest.hex()}
        self._audit.record(subject, decision, **about, **details)

    def _repeated(self) -> Refused:
        return Refused(
            REPEATED,
            f"Silo {self._silo.silo} has sent a result for this work before, and running it again gave another one. "
            "It does not send a second result for the same work. Use seeded operations, so that a run can be repeated.",
        )


def _report(
    work: pb.Work,
    result: pb.Result | None = None,
    refusal: pb.Refusal | None = None,
    failure: pb.Error | None = None,
) -> pb.Report:
    return pb.Report(work_id=work.work_id, generation=work.generation, result=result, refusal=refusal, failure=failure)
