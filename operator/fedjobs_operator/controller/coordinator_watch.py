"""Follows coordinators: one task for each running coordinator connects to it and streams its status.

On the same connection the task sends the excluded silos, first on connect and then on every change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from fedjobs_api.names import JobRef
from fedjobs_common.errors import FedjobsError
from fedjobs_common.jobs.statuses import Phase, Status
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_operator.cluster.cache import JobKey
from fedjobs_operator.planning import coordinator_words

_LOG = structlog.get_logger()
_RECONNECT_S = 2.0
_FAILURES = 5
"""Consecutive failures before the error is reported. The pod's network may not be ready for the first ones."""
_LONGEST_ERROR = 300
_ENDED = frozenset({Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED})


class Reports(Protocol):
    """A connection to one coordinator, see `fedjobs_protocol.reports.reports_client.ReportsClient`."""

    def watch(self) -> AsyncIterator[Status]:
        """Yields the coordinator's statuses until the call ends."""

    async def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        """Sends all excluded silos."""


Dial = Callable[[JobRef], AbstractAsyncContextManager[Reports]]


@dataclass
class _Followed:
    uid: str
    exclusions: Sequence[Exclusion]
    report: Status | None = None
    must_send: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the exclusions must be sent to the coordinator."""
    task: asyncio.Task[None] | None = None
    failed: int = 0
    """The number of consecutive failures."""
    connection_error: str = ""


class CoordinatorWatch:
    """Holds the last report of each followed coordinator.

    Args:
        dial: Connects to a coordinator.
        on_report: Called after each new report, and after several consecutive failures to connect.
    """

    def __init__(self, dial: Dial, on_report: Callable[[JobKey], Awaitable[None]]) -> None:
        self._dial = dial
        self._on_report = on_report
        self._followed: dict[JobKey, _Followed] = {}

    def report(self, key: JobKey) -> Status | None:
        """Returns the last report of a job's coordinator."""
        followed = self._followed.get(key)
        return None if followed is None else followed.report

    def connection_error(self, key: JobKey) -> str:
        """Returns why the connection to a job's coordinator fails, after several failures. Empty before that."""
        followed = self._followed.get(key)
        return "" if followed is None else followed.connection_error

    def follow(self, key: JobKey, ref: JobRef, exclusions: Sequence[Exclusion] = ()) -> None:
        """Starts following a coordinator, unless it is followed already.

        Args:
            key: The key of the job.
            ref: The job.
            exclusions: The excluded silos to send to the coordinator.
        """
        followed = self._followed.get(key)
        if followed is None or followed.uid != ref.uid or followed.task is None or followed.task.done():
            self.forget(key)
            followed = self._followed[key] = _Followed(ref.uid, exclusions)
            followed.task = asyncio.create_task(self._follow(key, ref, followed), name=f"follow {key}")
        elif followed.exclusions != exclusions:
            followed.exclusions = exclusions
            followed.must_send.set()

    def forget(self, key: JobKey) -> None:
        """Stops following a coordinator."""
        followed = self._followed.pop(key, None)
        if followed is not None and followed.task is not None:
            followed.task.cancel()

    async def close(self) -> None:
        """Stops following all coordinators."""
        tasks = [followed.task for followed in self._followed.values() if followed.task is not None]
        for key in list(self._followed):
            self.forget(key)
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, key: JobKey, ref: JobRef, followed: _Followed) -> None:
        """Follows a coordinator until it is cancelled. It reconnects, because a coordinator may restart."""
        while True:
            try:
                async with self._dial(ref) as reports:
                    followed.must_send.set()  # it may be a new process without the exclusions
                    sending = asyncio.create_task(_send_exclusions(reports, followed, ref), name=f"exclusions {key}")
                    try:
                        await self._read_reports(reports, key, ref, followed)
                    finally:
                        sending.cancel()
            except Exception as error:
                await self._failed(key, followed, error)
            report = followed.report
            await asyncio.sleep(_RECONNECT_S if report is None or report.phase not in _ENDED else _RECONNECT_S * 5)

    async def _failed(self, key: JobKey, followed: _Followed, error: Exception) -> None:
        message = error.public if isinstance(error, FedjobsError) else f"{type(error).__name__}: {error}"
        followed.failed += 1
        log = _LOG.warning if followed.failed == _FAILURES else _LOG.debug
        log("the coordinator does not respond", job=key[1], namespace=key[0], failures=followed.failed, error=message)
        if followed.failed == _FAILURES:
            followed.connection_error = message[:_LONGEST_ERROR]
            await self._on_report(key)

    async def _read_reports(self, reports: Reports, key: JobKey, ref: JobRef, followed: _Followed) -> None:
        async for status in reports.watch():
            if status.job_uid != ref.uid:
                continue
            if followed.report is not None and followed.report.generation != status.generation:
                followed.must_send.set()  # the coordinator restarted behind the same connection
            followed.report = coordinator_words.checked(status)
            followed.failed, followed.connection_error = 0, ""
            await self._on_report(key)


async def _send_exclusions(reports: Reports, followed: _Followed, ref: JobRef) -> None:
    """Sends the exclusions whenever they must be sent. Retries after a failure."""
    while True:
        await followed.must_send.wait()
        followed.must_send.clear()
        exclusions = followed.exclusions
        try:
            await reports.exclude(exclusions)
        except Exception as error:
            if exclusions:
                text = "the excluded silos could not be sent to the coordinator, it is retried"
                _LOG.warning(text, job=ref.name, namespace=ref.namespace, error=str(error))
            await asyncio.sleep(_RECONNECT_S)
            followed.must_send.set()
