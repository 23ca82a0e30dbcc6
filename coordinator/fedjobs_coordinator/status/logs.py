"""The log of a coordinator's process: one JSON object a line on standard error, with the job in every one."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fedjobs_common import logs
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import PhaseEvent, ProgressEvent, RoundEvent, SiloEvent
from structlog.typing import EventDict, WrappedLogger

_LOG = structlog.get_logger()


def configure(*, debug: bool = False) -> None:
    """Sets up the log of this process, before its job is known."""
    logs.configure(debug=debug)


def about(job: ResolvedJob, round_now: Callable[[], int], *, debug: bool = False) -> None:
    """Puts the job into every line from here on, and the round into those that are written during one.

    Args:
        job: What is run.
        round_now: The round that is being worked on; 0: none.
        debug: Log more.
    """

    def with_job(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        told: EventDict = {"job": job.name, "jobUid": job.uid}
        if number := round_now():
            told["round"] = number
        return {**told, **event}

    logs.configure(with_job, debug=debug)


def log_progress(event: ProgressEvent) -> None:
    """One line for each thing that happened."""
    if isinstance(event, RoundEvent):
        _LOG.info("round finished", round=event.round, seconds=round(event.seconds, 3), silos=event.silos)
    elif isinstance(event, SiloEvent):
        _LOG.info("silo", silo=event.silo, state=event.state.value, reason=event.reason, message=event.message)
    elif isinstance(event, PhaseEvent):
        _LOG.info("phase", phase=event.phase.value, message=event.message)
