"""Shows a job until it ends: the implementation of `fedjobs watch` and `fedjobs submit --watch`."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from fedjobs_api.statuses import JobPhase
from fedjobs_common.jobs.statuses import PhaseEvent, ProgressEvent, Status

from fedjobs.cluster import job_statuses
from fedjobs.cluster.federated_jobs import Body
from fedjobs.cluster.job_follower import Deleted, Jobs, Seen, Unreachable, follow
from fedjobs.exits import Exit
from fedjobs.tables import View


class Quiet:
    """A view that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace

    def status(self, status: Status) -> None:
        del status

    def event(self, event: ProgressEvent) -> None:
        del event


def watch(jobs: Jobs, name: str, view: View) -> tuple[int, str]:
    """Shows a job until it completes, fails or is deleted.

    Returns:
        The exit code (0 if the job completed, else 1), and a message for the user.

    Raises:
        ApiError: There is no such job, or the user may not read it.
    """
    before: Body | None = None
    away = False
    for happened in follow(jobs, name):
        if isinstance(happened, Deleted):
            return Exit.FAILED, f"The job {name} was deleted."
        if isinstance(happened, Unreachable):
            if before is not None and not away:
                _say(view, before, f"{happened.error.message} Retrying.")
            away = True
            continue
        if away and before is not None:
            _say(view, before, "The API server answers again.")
        away = False
        _show(view, before, happened)
        before = happened.job
        if (end := job_statuses.end(before)) is not None:
            return _outcome(name, before, end)
    raise AssertionError("a job is followed until it is deleted")


def _show(view: View, before: Body | None, seen: Seen) -> None:
    view.status(job_statuses.as_coordinator(seen.job))
    for event in job_statuses.events(before, seen.job):
        view.event(event)


def _say(view: View, job: Body, message: str) -> None:
    """Shows a message that is not part of the job's status, in both kinds of view."""
    status = job_statuses.as_coordinator(job)
    view.status(status.model_copy(update={"message": message}))
    view.event(PhaseEvent(time=time.time(), phase=status.phase, message=message))


def _outcome(name: str, job: Body, end: JobPhase) -> tuple[int, str]:
    if end is JobPhase.COMPLETE:
        return Exit.DONE, f"The job {name} is complete."
    reason, message = job_statuses.explanation(job)
    return Exit.FAILED, f"The job {name} failed ({reason})" + (f": {message}" if message else ".")
