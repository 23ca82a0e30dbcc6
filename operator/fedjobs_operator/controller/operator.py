"""The operator as a whole: events from kopf add jobs to a work queue, and several tasks reconcile them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fedjobs_api.api_calls import ApiError
from fedjobs_api.names import KIND, JobRef
from fedjobs_common.errors import FedjobsError
from fedjobs_common.thread_imports import import_what_threads_need
from fedjobs_protocol.hub.hub_client import EnrolmentClient
from fedjobs_protocol.hub.pod_identities import PodIdentities
from fedjobs_protocol.identities.renewals import Renewing
from fedjobs_protocol.reports.reports_client import ReportsClient, open_reports

from fedjobs_operator import metrics
from fedjobs_operator.cluster.applier import Applier
from fedjobs_operator.cluster.cache import Cache, JobKey
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.cluster.resync import Resync
from fedjobs_operator.cluster.sweeper import Sweeper
from fedjobs_operator.cluster.trust import Trust
from fedjobs_operator.controller.coordinator_watch import CoordinatorWatch
from fedjobs_operator.controller.reconciler import Reconciler
from fedjobs_operator.controller.work_queue import WorkQueue
from fedjobs_operator.settings import Settings

_LOG = structlog.get_logger()
_WORKERS = 8
_MEMORY_EVERY_S = 30.0


class Operator:
    """The operator. It runs in one event loop from `start` to `stop`.

    Args:
        settings: The settings.
        end: Ends the process. It is called once, if the operator must not continue.

    Attributes:
        failure: Why the operator must not continue. None if it may.
    """

    def __init__(self, settings: Settings, end: Callable[[], object] = lambda: None) -> None:
        self.failure: FedjobsError | None = None
        self._settings = settings
        self._end = end
        self._cache = Cache()
        self._queue: WorkQueue[JobKey] = WorkQueue()
        self._tasks: list[asyncio.Task[None]] = []
        self._reconciler: Reconciler | None = None
        self._watch: CoordinatorWatch | None = None
        self._sweeper: Sweeper | None = None
        self._renewing: Renewing | None = None

    async def start(self) -> None:
        """Starts reconciling jobs. If the hub is not available, only the connections to coordinators wait for it."""
        import_what_threads_need()
        metrics.QUEUE_DEPTH.set_function(lambda: len(self._queue))
        metrics.JOBS.count = self._cache.phases
        api = await asyncio.to_thread(KubernetesApi.connect)
        trust = Trust(api, self._settings.own_namespace)
        try:
            await asyncio.to_thread(trust.look)
        except FedjobsError as error:
            self._fail(error)
            return
        sweeping = self._sweeper = Sweeper(api, self._cache, self._settings.own_namespace)
        resyncing = Resync(api, self._cache, self._settings.namespaces, self._is_gone, self._look_at_unfinished)
        # Fill the cache before the first job. Otherwise a silo or child not seen yet would count as deleted.
        await sweeping.look_at_silos()
        await resyncing.begin()
        renewing = self._renewing = _renewing(self._settings, trust)
        renewing.start()
        self._watch = CoordinatorWatch(lambda ref: self._dial(ref, renewing), self._queue.add)
        applier = Applier(api, self._settings.own_namespace)
        self._reconciler = Reconciler(
            api, self._cache, applier, self._watch, self._settings, lambda: trust.pem, self._queue.add
        )
        self._tasks = [
            asyncio.create_task(self._work(self._reconciler), name=f"reconcile {n}") for n in range(_WORKERS)
        ]
        self._tasks.append(asyncio.create_task(_give_memory_back(), name="memory"))
        self._tasks.append(asyncio.create_task(self._trust(trust), name="trust"))
        self._tasks.append(asyncio.create_task(sweeping.run(self._look_at_all), name="sweep"))
        self._tasks.append(asyncio.create_task(resyncing.run(), name="resync"))

    async def stop(self) -> None:
        """Stops all tasks. The next operator repeats interrupted work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._watch is not None:
            await self._watch.close()
        if self._renewing is not None:
            self._renewing.close()

    async def saw_job(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """Handles a FederatedJob that was added, changed or deleted."""
        if deleted and self._reconciler is not None:
            self._reconciler.forget(body["metadata"]["uid"])
        if deleted and self._sweeper is not None:
            self._sweeper.soon()
        await self._queue.add(self._cache.saw_job(body, deleted=deleted))

    async def saw_child(self, kind: str, body: Mapping[str, Any], *, deleted: bool) -> None:
        """Handles a child of a job that was added, changed or deleted."""
        key = self._cache.saw_child(kind, body, deleted=deleted)
        if key is not None:
            await self._queue.add(key)

    async def saw_silo(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """Handles a Silo that was added, changed or deleted. A job may become acceptable, or must exclude the silo."""
        if self._cache.saw_silo(body, deleted=deleted):
            await self._look_at_all()

    async def _is_gone(self, kind: str, body: Mapping[str, Any]) -> None:
        """Handles a deletion that no event reported."""
        if kind == KIND:
            await self.saw_job(body, deleted=True)
        else:
            await self.saw_child(kind, body, deleted=True)

    async def _trust(self, trust: Trust) -> None:
        try:
            await trust.run(self._look_at_all)
        except FedjobsError as error:
            self._fail(error)

    def _fail(self, error: FedjobsError) -> None:
        """Stops reconciling, and ends the process."""
        self.failure = error
        _LOG.error("the operator must not run", code=error.code.label, error=error.public)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._end()

    async def _look_at_unfinished(self) -> None:
        for key in self._cache.unfinished():
            await self._queue.add(key)

    async def _look_at_all(self) -> None:
        for key in self._cache.jobs():
            await self._queue.add(key)

    @asynccontextmanager
    async def _dial(self, ref: JobRef, renewing: Renewing) -> AsyncIterator[ReportsClient]:
        name = self._settings.front_door.server_name(ref.uid)
        async with open_reports(ref.address, name, renewing.current()) as reports:
            yield reports

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
                log("reconciling a job failed, it is retried", namespace=key[0], job=key[1], error=str(error))
                await self._queue.failed(key)
            else:
                metrics.RECONCILES.labels("success").inc()
                await self._queue.done(key)
            finally:
                metrics.RECONCILE_SECONDS.observe(time.monotonic() - began)


async def _give_memory_back() -> None:
    while True:
        await asyncio.sleep(_MEMORY_EVERY_S)
        await asyncio.to_thread(give_memory_back)


def _renewing(settings: Settings, trust: Trust) -> Renewing:
    hub = settings.hub
    asking = PodIdentities(
        hub.address, hub.name, settings.token, lambda: trust.pem.encode(), EnrolmentClient.issue_operator
    )
    return Renewing(asking.obtain, asking.renew)


def give_memory_back() -> None:
    """Returns free memory to the operating system. Has no effect if the C library lacks `malloc_trim`."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
