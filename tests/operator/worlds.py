"""A reconciler with its collaborators, in a time that the test sets."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fedjobs_api.names import JobRef
from fedjobs_common.jobs.statuses import Status
from fedjobs_operator.cluster.applier import Applier
from fedjobs_operator.cluster.cache import Cache, JobKey
from fedjobs_operator.controller.coordinator_watch import CoordinatorWatch
from fedjobs_operator.controller.reconciler import Reconciler
from fedjobs_protocol.reports.exclusions import Exclusion

from tests.operator.attempts import AnAttempt, an_attempt, at
from tests.operator.builders import REF, SETTINGS, TRUST, AJob, a_job, a_silo_object
from tests.operator.memory_apis import MemoryApi
from tests.operator.virtual_time import in_virtual_time, settled

KEY: JobKey = ("team", "digits")
LABELS = REF.labels("coordinator") | {"fedjobs.dev/attempt": "1"}


class World:
    """A reconciler with its collaborators. The test sets the time."""

    def __init__(self, job: AJob, api: MemoryApi | None = None) -> None:
        self.api = api or MemoryApi()
        self.now = at(0)
        self.later: list[float] = []
        self.excluded: list[list[str]] = []
        self.reports: asyncio.Queue[Status] = asyncio.Queue()
        self.objects = Cache()
        self.followers = CoordinatorWatch(self._dial, self._heard)
        applier = Applier(self.api, SETTINGS.own_namespace)
        arguments = (self.api, self.objects, applier, self.followers, SETTINGS, lambda: TRUST, self._look_later)
        self.reconciler = Reconciler(*arguments, clock=self._clock)
        for name in ("hospital-a", "hospital-b"):
            self.objects.saw_silo(a_silo_object(name), deleted=False)
        self.saw(job)

    def _clock(self) -> datetime.datetime:
        return self.now

    @asynccontextmanager
    async def _dial(self, ref: JobRef) -> AsyncIterator[World]:
        yield self

    async def watch(self) -> AsyncIterator[Status]:
        while True:
            yield await self.reports.get()

    async def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        self.excluded.append([each.silo for each in exclusions])

    async def _heard(self, key: JobKey) -> None: ...

    async def _look_later(self, key: JobKey, seconds: float) -> None:
        self.later.append(seconds)

    def saw(self, job: AJob) -> None:
        """A user has written the job. It keeps the status that the operator wrote."""
        written = self.api.objects.get(("FederatedJob", "digits"), {})
        status = {"status": written["status"]} if "status" in written else {}
        self.api.objects["FederatedJob", "digits"] = job.body | status
        self.objects.saw_job(job.body | status, deleted=False)

    def saw_attempt(self, attempt: AnAttempt) -> None:
        self.objects.saw_child("Job", attempt.job | {"metadata": attempt.job["metadata"]}, deleted=False)
        if attempt.pod is not None:
            self.objects.saw_child("Pod", attempt.pod, deleted=False)

    async def look(self) -> None:
        await self.reconciler.reconcile(KEY)
        await settled()

    async def hear(self, report: Status) -> None:
        self.reports.put_nowait(report)
        await settled()

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects["FederatedJob", "digits"]["status"]
        return found

    def written(self) -> int:
        return len(self.api.called("apply", "FederatedJob"))


def in_a_world(test: Callable[[World], Awaitable[None]], job: AJob | None = None, api: MemoryApi | None = None) -> None:
    async def run() -> None:
        world = World(job or a_job(), api)
        await test(world)
        await world.followers.close()

    in_virtual_time(run())


async def listening(world: World) -> None:
    """Runs the job until its coordinator listens."""
    await world.look()
    world.saw_attempt(an_attempt().ready())
    world.now = at(10)
    await world.look()
