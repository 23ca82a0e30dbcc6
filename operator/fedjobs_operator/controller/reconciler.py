"""Reconciles one job: observes, plans, carries out the plan, writes the status and posts events."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from fedjobs_api import times
from fedjobs_api.api_calls import ApiError
from fedjobs_api.names import JOB_UID, SELECTOR, JobRef
from fedjobs_api.statuses import CoordinatorAddress, FederatedJobStatus
from fedjobs_api.times import Clock, Time
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_operator.children import config_maps
from fedjobs_operator.cluster import failed_creates as pod_refusals
from fedjobs_operator.cluster.applier import Applier, ObjectRefusedError
from fedjobs_operator.cluster.cache import Body, Cache, JobKey
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.controller.coordinator_watch import CoordinatorWatch
from fedjobs_operator.planning import endings, observations, ownership
from fedjobs_operator.planning.events import Announcement, announcements, event
from fedjobs_operator.planning.observations import Observed
from fedjobs_operator.planning.planner import plan
from fedjobs_operator.planning.plans import Plan
from fedjobs_operator.settings import Settings

_LOG = structlog.get_logger()
_PROGRESS_EVERY_S = 2.0
_AT_ONCE = 20
"""How many writes of a job's status are not limited. A coordinator can change its phase at will."""
Later = Callable[[JobKey, float], Awaitable[None]]


class Reconciler:
    """Reconciles jobs. One task at a time reconciles a job.

    Args:
        api: The API server.
        objects: The cache.
        applier: Carries out plans.
        followers: Follows coordinators.
        settings: The operator's settings.
        trust: Returns the current issuers of the hub's certificate, as PEM.
        later: Requests another reconciliation of a job after a number of seconds.
        clock: Returns the current time in UTC. For tests.
    """

    def __init__(
        self,
        api: KubernetesApi,
        objects: Cache,
        applier: Applier,
        followers: CoordinatorWatch,
        settings: Settings,
        trust: Callable[[], str],
        later: Later,
        clock: Clock = times.now,
    ) -> None:
        self._api = api
        self._cache = objects
        self._applier = applier
        self._watch = followers
        self._settings = settings
        self._trust = trust
        self._later = later
        self._clock = clock
        self._resolved: dict[str, ResolvedJob] = {}
        self._written: dict[str, deque[Time]] = {}
        """The times of the last writes of statuses, by the UID of the FederatedJob."""
        self._asked: dict[str, set[str]] = {}
        self._made: dict[str, set[str]] = {}
        """The UIDs of the Jobs that this process created, by the UID of the FederatedJob."""

    async def reconcile(self, key: JobKey) -> None:
        """Reconciles a job once.

        Raises:
            ApiError: A call to the API server failed. The caller must retry. If a person must fix the cause, the job's
                status tells it.
        """
        body = self._cache.job(key)
        if body is None:
            self._forget(key)
            return
        ref = JobRef(*key, body["metadata"]["uid"])
        observed = await self._observed(key, ref, body)
        decided = plan(body, observed, self._settings, self._clock())
        try:
            if decided.resolved is not None and observed.resolved is None:
                await asyncio.to_thread(self._applier.keep, ref, decided.resolved)
                self._resolved[ref.uid] = decided.resolved
            status = await self._carry_out(ref, decided)
        except ObjectRefusedError as error:
            refused = replace(observed, refused=str(error), refused_for=error.reason)
            told = plan(body, refused, self._settings, self._clock())
            await self._write(key, ref, observed, told.status)
            raise
        if decided.follow:
            self._watch.follow(key, ref, decided.exclude)
        else:
            self._watch.forget(key)
        await self._write(key, ref, observed, status)
        if endings.is_over(status):
            self.forget(ref.uid)
        if decided.look_again is not None:
            await self._later(key, max(0.1, (decided.look_again - self._clock()).total_seconds()))

    def forget(self, uid: str) -> None:
        """Drops what is remembered about a job that has finished or was deleted."""
        self._applier.forget(uid)
        self._resolved.pop(uid, None)
        self._written.pop(uid, None)
        self._asked.pop(uid, None)
        self._made.pop(uid, None)

    def _forget(self, key: JobKey) -> None:
        self._watch.forget(key)

    async def _observed(self, key: JobKey, ref: JobRef, body: Mapping[str, Any]) -> Observed:
        status = body.get("status", {})
        if endings.is_over(FederatedJobStatus.read(status)):
            return Observed(status=status)  # a finished job needs nothing else
        claims = [
            claim for claim in self._cache.children(ref.uid, "PersistentVolumeClaim") if ownership.is_claim(ref, claim)
        ]
        recorded = str((status.get("coordinator") or {}).get("jobUid") or "")
        jobs = ownership.known_jobs(
            ref,
            self._cache.children(ref.uid, "Job"),
            {recorded, *self._made.get(ref.uid, ())},
            int(status.get("attempt") or 0),
        )
        pods = await self._pods(ref, jobs)
        return Observed(
            silos=self._cache.silos(),
            resolved=await self._known(ref, status),
            attempts=observations.attempts(ref, jobs, pods, await self._refused_pods(jobs, pods)),
            claim_phase=claims[0].get("status", {}).get("phase", "Pending") if claims else "",
            claimed_at=times.read(claims[0]["metadata"]["creationTimestamp"]) if claims else None,
            trust=self._trust(),
            report=self._watch.report(key),
            connection_error=self._watch.connection_error(key),
            status=status,
        )

    async def _pods(self, ref: JobRef, jobs: list[Body]) -> list[Body]:
        """Returns a job's pods. It fetches them once if the event of a finished Job arrived before its pod's.

        The pod holds the coordinator's final word, and a finished job is not observed again.
        """
        known = self._cache.children(ref.uid, "Pod")
        asked = self._asked.setdefault(ref.uid, set())
        missed = [name for name in observations.ended_without_pod(ref, jobs, known) if name not in asked]
        if missed:
            labels = f"{SELECTOR},{JOB_UID}={ref.uid}"
            for pod in await asyncio.to_thread(self._api.all, "Pod", ref.namespace, labels=labels):
                self._cache.saw_child("Pod", pod, deleted=False)
            asked.update(missed)
        return self._cache.children(ref.uid, "Pod")

    async def _refused_pods(self, jobs: list[Body], pods: list[Body]) -> dict[str, str]:
        """Returns why pods are missing, by the name of the Job that waits for one."""
        waiting = [job for job in jobs if pod_refusals.is_overdue(job, pods, self._clock())]
        return {j["metadata"]["name"]: await asyncio.to_thread(pod_refusals.words, self._api, j) for j in waiting}

    async def _known(self, ref: JobRef, status: Mapping[str, Any]) -> ResolvedJob | None:
        """Returns the resolved job, if the job was resolved before. It is read once and then remembered.

        It counts only if it has the digest that the status records.
        """
        if ref.uid not in self._resolved and status.get("resolved"):
            config = await asyncio.to_thread(self._api.get, "ConfigMap", ref.namespace, ref.resolved)
            resolved = None if config is None else config_maps.read(config, str(status["resolved"].get("digest")))
            if resolved is not None:
                self._resolved[ref.uid] = resolved
        return self._resolved.get(ref.uid)

    async def _carry_out(self, ref: JobRef, decided: Plan) -> FederatedJobStatus:
        """Carries out a plan. Returns the status to write, with the UID of a Job that was created."""
        created = await asyncio.to_thread(self._applier.apply, ref, decided)
        status = decided.status
        for child in created:
            self._cache.saw_child(child["kind"], child, deleted=False)
            if child["kind"] == "Job":
                uid = child["metadata"]["uid"]
                self._made.setdefault(ref.uid, set()).add(uid)
                coordinator = status.coordinator or CoordinatorAddress()
                status = status.model_copy(update={"coordinator": coordinator.model_copy(update={"job_uid": uid})})
        return status

    async def _write(self, key: JobKey, ref: JobRef, observed: Observed, status: FederatedJobStatus) -> None:
        """Writes the status if it changed. Changes of progress only, and many changes at once, are rate-limited."""
        before = FederatedJobStatus.read(observed.status)
        if status == before:
            return
        now = self._clock()
        earlier = self._written.setdefault(ref.uid, deque(maxlen=_AT_ONCE))
        if (wait := _wait(earlier, now, is_progress=_is_progress(before, status))) > 0:
            await self._later(key, wait)
            return
        written = await asyncio.to_thread(self._applier.write_status, ref, status)
        if written is None:  # deleted before an event reported it; another job of that name may exist by now
            gone = {"metadata": {"namespace": ref.namespace, "name": ref.name, "uid": ref.uid}}
            self._cache.saw_job(gone, deleted=True)
            self.forget(ref.uid)
            return
        if self._cache.uid(key) != ref.uid:  # deleted meanwhile
            return
        self._cache.saw_job(written, deleted=False)
        earlier.append(now)
        await self._tell(ref, announcements(before, status), now)

    async def _tell(self, ref: JobRef, news: Sequence[Announcement], now: Time) -> None:
        """Posts events. A failure to post one is logged and does not affect the others."""
        for each in news:
            about = {"job": ref.name, "namespace": ref.namespace, "reason": each.reason}
            _LOG.info("event", **about, message=each.message)
            try:
                await asyncio.to_thread(self._api.create, event(ref, each, now, uuid.uuid4().hex[:16]))
            except (ApiError, OSError) as error:
                _LOG.warning("an event could not be posted", **about, error=str(error))


def _wait(written: Sequence[Time], now: Time, *, is_progress: bool) -> float:
    """Returns how many seconds to wait before the next write of a status.

    Args:
        written: The times of the last writes, at most `_AT_ONCE`.
        now: The current time.
        is_progress: Whether only numbers and silo rows changed.
    """
    if not written:
        return 0.0
    often = len(written) == _AT_ONCE and (now - written[0]).total_seconds() < _AT_ONCE * _PROGRESS_EVERY_S
    return _PROGRESS_EVERY_S - (now - written[-1]).total_seconds() if is_progress or often else 0.0


def _is_progress(before: FederatedJobStatus, after: FederatedJobStatus) -> bool:
    """Returns whether only numbers and silo rows changed."""
    fixed = [(each.phase, each.conditions, each.attempt, each.coordinator, each.resolved) for each in (before, after)]
    return fixed[0] == fixed[1]
