"""Pure functions that decide whether a job exceeds the limits of the silo file."""

from __future__ import annotations

from fedjobs_common.ids import Digest

from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Usage
from fedjobs_worker.policy_files import Limits


def on_job(limits: Limits, silo: str, usage: Usage, job: str, today: str) -> Decision:
    """Decides whether the silo may take part in one more job today. Jobs that it takes part in already stay allowed."""
    most = limits.jobs_per_day
    if most is None or usage.of(job).begun or len(usage.begun(today)) < most:
        return Allowed()
    return Refused("policy.limits.jobsPerDay", f"Silo {silo} takes part in at most {most} new jobs per day.")


def on_run(limits: Limits, silo: str, usage: Usage, job: str, shard: Digest, asked: Digest) -> Decision:
    """Decides whether a job may run a computation again. The last work item may always be repeated.

    Args:
        limits: The silo's limits.
        silo: The silo's name, for messages.
        usage: The usage so far.
        job: The job's uid.
        shard: The computation's digest.
        asked: The digest of the work item. See `work_items.asked_by`.
    """
    used = usage.of(job)
    if limits.rounds_per_job is None or used.last_work == asked or used.runs.get(shard, 0) < limits.rounds_per_job:
        return Allowed()
    return Refused(
        "policy.limits.roundsPerJob",
        f"Silo {silo} runs a computation at most {limits.rounds_per_job} times for one job. This limit is reached.",
    )


def on_bytes(limits: Limits, silo: str, usage: Usage, job: str, today: str, size: int) -> Decision:
    """Decides whether accumulators of this size may leave the silo."""
    for rule, what, most, used in (
        (
            "policy.limits.uploadBytesPerJob",
            "for one job",
            limits.upload_bytes_per_job,
            sum(usage.of(job).bytes_up.values()),
        ),
        ("policy.limits.uploadBytesPerDay", "in a day", limits.upload_bytes_per_day, usage.bytes_up(today)),
    ):
        if most is not None and used + size > most:
            return Refused(
                rule,
                f"Silo {silo} sends at most {most} bytes {what}. It has sent {used}, and this result has {size} more.",
            )
    return Allowed()
