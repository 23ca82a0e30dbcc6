"""Whether a job may take more of a silo: pure decisions about what was used and what the silo's file allows."""

from __future__ import annotations

from fedjobs_common.ids import Digest

from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Usage
from fedjobs_worker.policy_files import Limits


def on_job(limits: Limits, silo: str, usage: Usage, job: str, today: str) -> Decision:
    """Whether the silo may take part in one more job today. A job that it began with stays."""
    most = limits.jobs_per_day
    if most is None or usage.of(job).begun or len(usage.begun(today)) < most:
        return Allowed()
    return Refused("policy.limits.jobsPerDay", f"Silo {silo} takes part in {most} new jobs a day at most.")


def on_run(limits: Limits, silo: str, usage: Usage, job: str, shard: Digest, asked: Digest) -> Decision:
    """Whether a job may run a computation once more. The work that was done last may be done again.

    Args:
        limits: The silo's.
        silo: Its name, for messages.
        usage: What was used.
        job: The job's uid.
        shard: The computation's digest.
        asked: Of the work, see `work_items.asked_by`.
    """
    used = usage.of(job)
    if limits.rounds is None or used.last_work == asked or used.runs.get(shard, 0) < limits.rounds:
        return Allowed()
    return Refused(
        "policy.limits.rounds",
        f"Silo {silo} runs a computation {limits.rounds} times for one job at most, and has done so.",
    )


def on_bytes(limits: Limits, silo: str, usage: Usage, job: str, today: str, size: int) -> Decision:
    """Whether accumulators of so many bytes may leave the silo."""
    for rule, what, most, used in (
        ("policy.limits.bytesUpPerJob", "for one job", limits.bytes_up_per_job, sum(usage.of(job).bytes_up.values())),
        ("policy.limits.bytesUpPerDay", "in a day", limits.bytes_up_per_day, usage.bytes_up(today)),
    ):
        if most is not None and used + size > most:
            return Refused(
                rule, f"Silo {silo} sends {most} bytes {what} at most; {used} are sent, and this would be {size} more."
            )
    return Allowed()
