"""Pure functions that decide whether a job exceeds the limits of the silo file."""

from __future__ import annotations

from collections.abc import Collection

from fedjobs_common.ids import Digest

from fedjobs_worker.consent import audit_entries
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import NO_DATASET, Usage, short
from fedjobs_worker.policy_files import Limits

AUDIT_LOG = "auditLog"
"""The rule of a refusal because nothing more can be recorded."""


def on_job(limits: Limits, silo: str, usage: Usage, job: str, today: str) -> Decision:
    """Decides whether the silo may take part in one more job today. Jobs that it takes part in already stay allowed."""
    most = limits.jobs_per_day
    if most is None or usage.of(job).begun:
        return Allowed()
    if usage.unreadable:
        return _unreadable("policy.limits.jobsPerDay", silo, usage)
    if len(usage.begun(today)) < most:
        return Allowed()
    return Refused("policy.limits.jobsPerDay", f"Silo {silo} takes part in at most {most} new jobs per day.")


def on_entries(silo: str, usage: Usage, job: str) -> Decision:
    """Decides whether a job may ask for anything more, so that the audit log does not grow without end."""
    most = audit_entries.MOST_OF_JOB
    if usage.of(job).entries < most:
        return Allowed()
    return Refused(AUDIT_LOG, f"Silo {silo} has {most} entries of this job in its audit log. It accepts no more work.")


def on_run(limits: Limits, silo: str, usage: Usage, job: str, datasets: Collection[str], asked: Digest) -> Decision:
    """Decides whether a job may run work over datasets. Work that was counted may be repeated.

    The outcome of repeated work only leaves the silo if it is the same as before.

    Args:
        limits: The silo's limits.
        silo: The silo's name, for messages.
        usage: The usage so far.
        job: The job's uid.
        datasets: The datasets that the work reads. Work that reads none has a count of its own.
        asked: The digest of the work item. See `work_items.asked_by`.
    """
    used, rounds = usage.of(job), limits.rounds_per_job
    if rounds is None or used.counted(asked):
        return Allowed()
    if usage.unreadable:
        return _unreadable("policy.limits.roundsPerJob", silo, usage)
    most = rounds * limits.runs_per_round
    if all(used.runs.get(dataset, 0) < most for dataset in datasets or [NO_DATASET]):
        return Allowed()
    return Refused(
        "policy.limits.roundsPerJob",
        f"Silo {silo} runs at most {most} computations over a dataset for one job: {rounds} rounds with "
        f"{limits.runs_per_round} each. This limit is reached.",
    )


def on_bytes(limits: Limits, silo: str, usage: Usage, job: str, today: str, size: int) -> Decision:
    """Decides whether this many bytes may leave the silo. The message does not tell the size of what does not leave."""
    sent, sent_today = sum(usage.of(job).bytes_up.values()), usage.bytes_up(today)
    for rule, what, most, used in (
        ("policy.limits.uploadBytesPerJob", f"for one job, and has sent {sent}", limits.upload_bytes_per_job, sent),
        # How much other jobs have sent is not for this one.
        ("policy.limits.uploadBytesPerDay", "in a day for all jobs", limits.upload_bytes_per_day, sent_today),
    ):
        if most is not None and usage.unreadable:
            return _unreadable(rule, silo, usage)
        if most is not None and used + size > most:
            return Refused(rule, f"Silo {silo} sends at most {most} bytes {what}. This result has too many.")
    return Allowed()


def answer_of(usage: Usage, job: str, asked: Digest) -> str | None:
    """Returns the short digest of the result that was sent for this work before. None if none was sent."""
    return usage.of(job).answered.get(short(asked))


def is_answer(answered: str, result: Digest) -> bool:
    """Whether a result is the one that was sent before."""
    return answered == short(result)


def _unreadable(rule: str, silo: str, usage: Usage) -> Refused:
    return Refused(
        rule,
        f"Silo {silo} cannot read what jobs have used so far ({usage.unreadable}), so the limit counts as reached. "
        "Ask the silo's administrator to delete the worker of this job, so that the agent writes the file again.",
    )
