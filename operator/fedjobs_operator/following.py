"""Listens to coordinators: one task for each that runs, which dials it over mutual TLS and hears its status."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import structlog
from fedjobs_protocol.statuses import Phase, Status

from fedjobs_operator.names import JobRef
from fedjobs_operator.objects import JobKey

_LOG = structlog.get_logger()
_AGAIN_S = 2.0
_ENDED = frozenset({Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED})

Watch = Callable[[JobRef], AsyncIterator[Status]]
"""Hears one coordinator for a while."""


@dataclass
class _Followed:
    uid: str
    task: asyncio.Task[None]
    report: Status | None = None


class Followers:
    """The last report of each coordinator.

    Args:
        watch: Dials a coordinator.
        heard: Called after each new report.
    """

    def __init__(self, watch: Watch, heard: Callable[[JobKey], Awaitable[None]]) -> None:
        self._watch = watch
        self._heard = heard
        self._followed: dict[JobKey, _Followed] = {}

    def report(self, key: JobKey) -> Status | None:
        """The last report of a job's coordinator."""
        followed = self._followed.get(key)
        return None if followed is None else followed.report

    def follow(self, key: JobKey, ref: JobRef) -> None:
        """Listens from now on, unless it does already."""
        followed = self._followed.get(key)
        if followed is not None and followed.uid == ref.uid and not followed.task.done():
            return
        self.forget(key)
        self._followed[key] = _Followed(ref.uid, asyncio.create_task(self._follow(key, ref), name=f"follow {key}"))

    def forget(self, key: JobKey) -> None:
        """Listens no more."""
        followed = self._followed.pop(key, None)
        if followed is not None:
            followed.task.cancel()

    async def close(self) -> None:
        """Listens to nobody any more."""
        tasks = [followed.task for followed in self._followed.values()]
        for key in list(self._followed):
            self.forget(key)
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, key: JobKey, ref: JobRef) -> None:
        """Until it is told to stop: a coordinator that is not there now is there again soon."""
        while True:
            try:
                async for status in self._watch(ref):
                    if status.job_uid != ref.uid:
                        continue
                    self._followed[key].report = status
                    await self._heard(key)
            except Exception as error:
                _LOG.debug("the coordinator does not answer", job=key[1], namespace=key[0], error=str(error))
            report = self._followed[key].report
            if report is None or report.phase not in _ENDED:
                await asyncio.sleep(_AGAIN_S)
            else:
                await asyncio.sleep(_AGAIN_S * 5)
