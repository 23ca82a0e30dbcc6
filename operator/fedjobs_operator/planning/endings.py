"""Decides how a job has ended."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.coordinators import expected_uri, result_uri
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.names import JobRef
from fedjobs_api.statuses import FederatedJobStatus, JobPhase, Result
from fedjobs_common.errors import ErrorCode
from fedjobs_common.jobs.statuses import FinalWord, Phase, Status

from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.observations import Attempt, AttemptState


@dataclass(frozen=True)
class Ending:
    """The outcome of a job, Complete or Failed, and its reason."""

    condition: JobCondition
    reason: str
    message: str
    word: FinalWord | None = None
    """The coordinator's final word, if it left one."""
    result: Result | None = None

    @property
    def phase(self) -> JobPhase:
        return JobPhase.COMPLETE if self.condition is JobCondition.COMPLETE else JobPhase.FAILED

    @property
    def quorum_missing(self) -> bool:
        return self.reason == ErrorCode.COHORT_TOO_SMALL.label


def is_over(status: FederatedJobStatus) -> bool:
    """Returns whether the status is that of a finished job."""
    return any(conditions.is_true(status, kind) for kind in (JobCondition.COMPLETE, JobCondition.FAILED))


def of_attempt(ref: JobRef, job: FederatedJob, last: Attempt, report: Status | None) -> Ending:
    """Returns the outcome of a coordinator that exited by itself.

    Its final word counts. If the pod was deleted before it was read, the last report counts.
    """
    word = last.pod.final_word if last.pod is not None else None
    if word is None and report is not None and report.phase in (Phase.COMPLETE, Phase.FAILED):
        word = FinalWord.of(report)
    if last.state is AttemptState.COMPLETE:
        message = "The result was exported and confirmed."
        if word is not None and word.result is not None:
            result = Result(uri=result_uri(ref, job, word.result.uri), digest=word.result.digest or None)
        else:
            result = Result(uri=expected_uri(ref, job))
            message += " Its digest is unknown: the coordinator's pod was deleted before its final word was read."
        return Ending(JobCondition.COMPLETE, Reason.RESULT_EXPORTED, message, word, result)
    if word is None:
        return Ending(JobCondition.FAILED, ErrorCode.PROGRAM_FAILED.label, last.message or "See the coordinator's log.")
    reason, message = word.code or ErrorCode.PROGRAM_FAILED.label, word.message
    if reason == ErrorCode.INVALID_OUTPUT.label:
        message += f" The result is in the claim {ref.claim}."
    return Ending(JobCondition.FAILED, reason, message, word)


def gave_up(last: Attempt, backoff_limit: int) -> Ending:
    """Returns the outcome of a coordinator that crashed too often."""
    how = conditions.crashed(last)
    message = f"{how.message} The coordinator was restarted {backoff_limit} times (spec.backoffLimit)."
    reason = how.reason if how.reason == Reason.OUT_OF_MEMORY else Reason.BACKOFF_LIMIT_EXCEEDED
    return Ending(JobCondition.FAILED, reason, message)


def too_late(seconds: int) -> Ending:
    """Returns the outcome of a job that took too long."""
    message = f"The job did not finish within {seconds} s (spec.activeDeadlineSeconds)."
    return Ending(JobCondition.FAILED, Reason.DEADLINE_EXCEEDED, message)
