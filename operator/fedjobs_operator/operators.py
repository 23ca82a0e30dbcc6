"""The operator as a whole: what kopf sees goes into a queue, and a few tasks look at what is in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from fedjobs_protocol import reports_client
from fedjobs_protocol.identities import server_name
from fedjobs_protocol.statuses import Status

from fedjobs_operator import authorities, metrics
from fedjobs_operator.applying import Applier
from fedjobs_operator.children.coordinator_jobs import CoordinatorImage
from fedjobs_operator.following import Followers
from fedjobs_operator.kubernetes_api import ApiError, KubernetesApi
from fedjobs_operator.names import JobRef
from fedjobs_operator.objects import JobKey, Objects
from fedjobs_operator.queues import WorkQueue
from fedjobs_operator.reconciling import Reconciler

_LOG = structlog.get_logger()
_WORKERS = 8


@dataclass(frozen=True)
class Settings:
    """How this operator was started."""

    own_namespace: str
    image: CoordinatorImage


class Operator:
    """Lives in one event loop, from `start` to `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._objects = Objects()
        self._queue: WorkQueue[JobKey] = WorkQueue()
        self._tasks: list[asyncio.Task[None]] = []
        self._reconciler: Reconciler | None = None
        self._followers: Followers | None = None

    async def start(self) -> None:
        """Loads, or makes, the authority, and begins to look at jobs."""
        api = await asyncio.to_thread(KubernetesApi.connect)
        authority = await asyncio.to_thread(authorities.load_or_create, api, self._settings.own_namespace)
        identity = authority.issue_operator()

        def watch(ref: JobRef) -> AsyncIterator[Status]:
            return reports_client.watch(ref.address, server_name(ref.uid), identity)

        self._followers = Followers(watch, self._queue.add)
        self._reconciler = Reconciler(
            api, self._objects, Applier(api, authority), self._followers, self._settings.image, self._queue.add
        )
        self._tasks = [
            asyncio.create_task(self._work(self._reconciler), name=f"reconcile {n}") for n in range(_WORKERS)
        ]
        self._tasks.append(asyncio.create_task(self._measure(), name="measure"))

    async def stop(self) -> None:
        """Looks at nothing any more; what is half done is done again by the next operator."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._followers is not None:
            await self._followers.close()

    async def saw_job(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """A FederatedJob is there, changed or was deleted."""
        if deleted and self._reconciler is not None:
            self._reconciler.forget(body["metadata"]["uid"])
        await self._queue.add(self._objects.saw_job(body, deleted=deleted))

    async def saw_child(self, kind: str, body: Mapping[str, Any], *, deleted: bool) -> None:
        """One of a job's children is there, changed or was deleted."""
        key = self._objects.saw_child(kind, body, deleted=deleted)
        if key is not None:
            await self._queue.add(key)

    async def saw_silo(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """A Silo is there, changed or was deleted: every job that is not accepted may be so now."""
        if self._objects.saw_silo(body, deleted=deleted):
            for key in self._objects.jobs():
                await self._queue.add(key)

    async def _work(self, reconciler: Reconciler) -> None:
        while True:
            key = await self._queue.get()
            began = time.monotonic()
            try:
                await reconciler.reconcile(key)
            except Exception as error:
                metrics.RECONCILES.labels("error").inc()
                expected = isinstance(error, ApiError | OSError)
                log = _LOG.warning if expected else _LOG.exception
                log("a look at a job failed; it is tried again", namespace=key[0], job=key[1], error=str(error))
                await self._queue.failed(key)
            else:
                metrics.RECONCILES.labels("success").inc()
                await self._queue.done(key)
            finally:
                metrics.RECONCILE_SECONDS.observe(time.monotonic() - began)

    async def _measure(self) -> None:
        while True:
            metrics.QUEUE_DEPTH.set(len(self._queue))
            metrics.JOBS.clear()
            for phase, count in self._objects.phases().items():
                metrics.JOBS.labels(phase).set(count)
            await asyncio.sleep(5)
