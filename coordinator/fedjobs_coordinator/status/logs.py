"""The log of a coordinator: one JSON object per line on standard error, with the job in every line."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fedjobs_common import logs
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import PhaseEvent, ProgressEvent, RoundEvent, SiloEvent
from structlog.typing import EventDict, WrappedLogger

_LOG = structlog.get_logger()


def configure(*, debug: bool = False) -> None:
    """Configures the log of this process before its job is known."""
    logs.configure(debug=debug)


def about(job: ResolvedJob, round_now: Callable[[], int], *, debug: bool = False) -> None:
    """Adds the job to every line from now on, and the round to lines during a round.

    Args:
        job: The resolved job.
        round_now: Returns the current round. 0 outside of rounds.
        debug: Whether to log debug messages.
    """

    def with_job(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        told: EventDict = {"job": job.name, "jobUid": job.uid}
        if number := round_now():
            told["round"] = number
        return {**told, **event}

    logs.configure(with_job, debug=debug)


def log_progress(event: ProgressEvent) -> None:
    """Logs an event as one line."""
    if isinstance(event, RoundEvent):
        _LOG.info("round finished", round=event.round, seconds=round(event.seconds, 3), silos=event.silos)
    elif isinstance(event, SiloEvent):
        _LOG.info("silo", silo=event.silo, state=event.state.value, reason=event.reason, message=event.message)
    elif isinstance(event, PhaseEvent):
        _LOG.info("phase", phase=event.phase.value, message=event.message)
