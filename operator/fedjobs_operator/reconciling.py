"""One look at one job: what is there, what is to be done, doing it, writing its status, telling of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_operator import times
from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.children import configs
from fedjobs_operator.cluster import pod_refusals
from fedjobs_operator.cluster.api_calls import ApiError
from fedjobs_operator.cluster.applying import Applier, ObjectRefusedError
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.cluster.objects import Body, JobKey, Objects
from fedjobs_operator.following import Followers
from fedjobs_operator.names import JOB_UID, SELECTOR, JobRef
from fedjobs_operator.planning import endings, observations, refusals
from fedjobs_operator.planning.decisions import Plan
from fedjobs_operator.planning.events import Announcement, announcements, event
from fedjobs_operator.planning.observations import Observed
from fedjobs_operator.planning.plans import plan
from fedjobs_operator.settings import Settings
from fedjobs_operator.times import Clock, Time

_LOG = structlog.get_logger()
_PROGRESS_EVERY_S = 2.0
Later = Callable[[JobKey, float], Awaitable[None]]


class Reconciler:
    """Looks at jobs. A job is looked at by one task at a time.

    Args:
        api: The API server.
        objects: What was seen of the cluster.
        applier: Carries out plans.
        followers: Listen to coordinators.
        settings: Of the operator.
        trust: The issuers of the hub's certificate, PEM, as they are known now.
        later: Asks for another look, in so many seconds.
        clock: The time, UTC; for tests.
    """

    def __init__(
        self,
        api: KubernetesApi,
        objects: Objects,
        applier: Applier,
        followers: Followers,
        settings: Settings,
        trust: Callable[[], str],
        later: Later,
        clock: Clock = times.now,
    ) -> None:
        self._api = api
        self._objects = objects
        self._applier = applier
        self._followers = followers
        self._settings = settings
        self._trust = trust
        self._later = later
        self._clock = clock
        self._resolved: dict[str, ResolvedJob] = {}
        self._written_at: dict[str, Time] = {}
        self._asked: dict[str, set[str]] = {}

    async def reconcile(self, key: JobKey) -> None:
        """One look.

        Raises:
            ApiError: The API server refused something, which is told in the job's status where people have to do
                something about it; the job is to be looked at again.
        """
        body = self._objects.job(key)
        if body is None:
            self._forget(key)
            return
        ref = JobRef(*key, body["metadata"]["uid"])
        observed = await self._observed(key, ref, body)
        decided = plan(body, observed, self._settings, self._clock())
        try:
            if decided.resolved is not None and not await self._is_kept(ref, observed, decided.resolved):
                await self._later(key, 0)
                return
            await self._carry_out(ref, decided)
        except ObjectRefusedError as error:
            await self._write(key, ref, observed, refusals.told(body, str(error), self._clock()))
            raise
        if decided.follow:
            self._followers.follow(key, ref, decided.exclude)
        else:
            self._followers.forget(key)
        await self._write(key, ref, observed, decided.status)
        if endings.is_over(decided.status):
            self.forget(ref.uid)
        if decided.look_again is not None:
            await self._later(key, max(0.1, (decided.look_again - self._clock()).total_seconds()))

    def forget(self, uid: str) -> None:
        """The job with this UID is over, or gone: nothing needs to be remembered of it."""
        self._applier.forget(uid)
        self._resolved.pop(uid, None)
        self._written_at.pop(uid, None)
        self._asked.pop(uid, None)

    def _forget(self, key: JobKey) -> None:
        self._followers.forget(key)

    async def _observed(self, key: JobKey, ref: JobRef, body: Mapping[str, Any]) -> Observed:
        status = body.get("status", {})
        if endings.is_over(FederatedJobStatus.model_validate(status)):
            return Observed(status=status)  # all that still counts
        claims = self._objects.children(ref.uid, "PersistentVolumeClaim")
        jobs = self._objects.children(ref.uid, "Job")
        pods = await self._pods(ref, jobs)
        return Observed(
            silos=self._objects.silos(),
            resolved=await self._known(ref, status),
            attempts=observations.attempts(jobs, pods, await self._refused_pods(jobs, pods)),
            claim_phase=claims[0].get("status", {}).get("phase", "Pending") if claims else "",
            claimed_at=times.read(claims[0]["metadata"]["creationTimestamp"]) if claims else None,
            trust=self._trust(),
            report=self._followers.report(key),
            not_heard=self._followers.trouble(key),
            status=status,
        )

    async def _pods(self, ref: JobRef, jobs: list[Body]) -> list[Body]:
        """A job's pods; those of a Job that has ended are asked for once, where the news of it came first.

        They have the coordinator's final word, and nobody looks at a job that is over again.
        """
        known = self._objects.children(ref.uid, "Pod")
        asked = self._asked.setdefault(ref.uid, set())
        missed = [name for name in observations.ended_without_pod(jobs, known) if name not in asked]
        if missed:
            labels = f"{SELECTOR},{JOB_UID}={ref.uid}"
            for pod in await asyncio.to_thread(self._api.all, "Pod", ref.namespace, labels=labels):
                self._objects.saw_child("Pod", pod, deleted=False)
            asked.update(missed)
        return self._objects.children(ref.uid, "Pod")

    async def _refused_pods(self, jobs: list[Body], pods: list[Body]) -> dict[str, str]:
        """Why there is no pod, by the name of the Job that waits for one."""
        waiting = [job for job in jobs if pod_refusals.is_overdue(job, pods, self._clock())]
        return {j["metadata"]["name"]: await asyncio.to_thread(pod_refusals.words, self._api, j) for j in waiting}

    async def _known(self, ref: JobRef, status: Mapping[str, Any]) -> ResolvedJob | None:
        """What the job was resolved to before: remembered, or read once after the operator was started."""
        if ref.uid not in self._resolved and status.get("resolved"):
            config = await asyncio.to_thread(self._api.get, "ConfigMap", ref.namespace, ref.resolved)
            if config is not None:
                self._resolved[ref.uid] = configs.read(config)
        return self._resolved.get(ref.uid)

    async def _is_kept(self, ref: JobRef, observed: Observed, resolved: ResolvedJob) -> bool:
        """Whether this is what the job was resolved to; False: an operator that was killed since had other words."""
        if observed.resolved is not None:
            return True
        kept = self._resolved[ref.uid] = await asyncio.to_thread(self._applier.keep, ref, resolved)
        return kept == resolved

    async def _carry_out(self, ref: JobRef, decided: Plan) -> None:
        created = await asyncio.to_thread(self._applier.apply, ref, decided)
        for child in created:
            self._objects.saw_child(child["kind"], child, deleted=False)

    async def _write(self, key: JobKey, ref: JobRef, observed: Observed, status: FederatedJobStatus) -> None:
        """Writes the status where it changed; mere progress not more often than people look."""
        before = FederatedJobStatus.model_validate(observed.status)
        if status == before:
            return
        now = self._clock()
        at = self._written_at.get(ref.uid)
        if at is not None and _is_progress(before, status):
            wait = _PROGRESS_EVERY_S - (now - at).total_seconds()
            if wait > 0:
                await self._later(key, wait)
                return
        written = await asyncio.to_thread(self._applier.write_status, ref, status)
        if written is None:  # deleted, though no event has told it; there may be another of that name by now
            gone = {"metadata": {"namespace": ref.namespace, "name": ref.name, "uid": ref.uid}}
            self._objects.saw_job(gone, deleted=True)
            self.forget(ref.uid)
            return
        if self._objects.uid(key) != ref.uid:  # deleted meanwhile
            return
        self._objects.saw_job(written, deleted=False)
        self._written_at[ref.uid] = now
        await self._tell(ref, announcements(before, status), now)

    async def _tell(self, ref: JobRef, news: Sequence[Announcement], now: Time) -> None:
        """Posts events; one that cannot be posted is in the log, and takes none of the others along."""
        for each in news:
            about = {"job": ref.name, "namespace": ref.namespace, "reason": each.reason}
            _LOG.info("event", **about, message=each.message)
            try:
                await asyncio.to_thread(self._api.create, event(ref, each, now, uuid.uuid4().hex[:16]))
            except (ApiError, OSError) as error:
                _LOG.warning("an event could not be posted", **about, error=str(error))


def _is_progress(before: FederatedJobStatus, after: FederatedJobStatus) -> bool:
    """Whether only numbers and silos' rows changed."""
    return (before.phase, before.conditions, before.attempt) == (after.phase, after.conditions, after.attempt)
