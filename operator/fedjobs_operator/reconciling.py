"""One look at one job: what is there, what is to be done, doing it, writing its status, telling of it."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from fedjobs_protocol.jobs import ResolvedJob

from fedjobs_operator import observations
from fedjobs_operator.announcements import announcements, event
from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.applying import Applier
from fedjobs_operator.children import configs
from fedjobs_operator.children.coordinator_jobs import CoordinatorImage
from fedjobs_operator.following import Followers
from fedjobs_operator.kubernetes_api import KubernetesApi
from fedjobs_operator.names import JobRef
from fedjobs_operator.objects import JobKey, Objects
from fedjobs_operator.observations import Observed, Time
from fedjobs_operator.plans import Plan, plan

_LOG = structlog.get_logger()
_PROGRESS_EVERY_S = 2.0
Later = Callable[[JobKey, float], Awaitable[None]]


def _now() -> Time:
    return datetime.datetime.now(datetime.UTC)


class Reconciler:
    """Looks at jobs. A job is looked at by one task at a time.

    Args:
        api: The API server.
        objects: What was seen of the cluster.
        applier: Carries out plans.
        followers: Listen to coordinators.
        image: Of coordinators.
        later: Asks for another look, in so many seconds.
        clock: The time, UTC; for tests.
    """

    def __init__(
        self,
        api: KubernetesApi,
        objects: Objects,
        applier: Applier,
        followers: Followers,
        image: CoordinatorImage,
        later: Later,
        clock: Callable[[], Time] = _now,
    ) -> None:
        self._api = api
        self._objects = objects
        self._applier = applier
        self._followers = followers
        self._image = image
        self._later = later
        self._clock = clock
        self._resolved: dict[str, ResolvedJob] = {}
        self._written_at: dict[str, Time] = {}

    async def reconcile(self, key: JobKey) -> None:
        """One look.

        Raises:
            ApiError: The API server refused something; the job is to be looked at again.
        """
        body = self._objects.job(key)
        if body is None:
            self._forget(key)
            return
        ref = JobRef(*key, body["metadata"]["uid"])
        observed = await self._observed(key, ref, body)
        decided = plan(body, observed, self._image, self._clock())
        if decided.resolved is not None and not await self._is_kept(ref, observed, decided.resolved):
            await self._later(key, 0)
            return
        if decided.resolved is not None:
            await self._carry_out(ref, body, decided.resolved, decided)
        if decided.follow:
            self._followers.follow(key, ref)
        else:
            self._followers.forget(key)
        await self._write(key, ref, observed, decided.status)
        if decided.look_again is not None:
            await self._later(key, max(0.1, (decided.look_again - self._clock()).total_seconds()))

    def forget(self, uid: str) -> None:
        """The job with this UID is gone."""
        self._applier.forget(uid)
        self._resolved.pop(uid, None)
        self._written_at.pop(uid, None)

    def _forget(self, key: JobKey) -> None:
        self._followers.forget(key)

    async def _observed(self, key: JobKey, ref: JobRef, body: Mapping[str, Any]) -> Observed:
        status = body.get("status", {})
        claims = self._objects.children(ref.uid, "PersistentVolumeClaim")
        return Observed(
            silos=self._objects.silos(),
            resolved=await self._known(ref, status),
            attempts=observations.attempts(
                self._objects.children(ref.uid, "Job"), self._objects.children(ref.uid, "Pod")
            ),
            claim_phase=claims[0].get("status", {}).get("phase", "Pending") if claims else "",
            claimed_at=observations.time(claims[0]["metadata"]["creationTimestamp"]) if claims else None,
            report=self._followers.report(key),
            status=status,
        )

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

    async def _carry_out(self, ref: JobRef, body: Mapping[str, Any], resolved: ResolvedJob, decided: Plan) -> None:
        document = {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")}
        job = FederatedJob.model_validate(document)
        created = await asyncio.to_thread(self._applier.apply, ref, job, resolved, decided)
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
        if written is None or self._objects.job(key) is None:  # deleted meanwhile
            return
        self._objects.saw_job(written, deleted=False)
        self._written_at[ref.uid] = now
        for announcement in announcements(before, status):
            _LOG.info(
                "event", job=ref.name, namespace=ref.namespace, reason=announcement.reason, message=announcement.message
            )
            await asyncio.to_thread(self._api.create, event(ref, announcement, now))


def _is_progress(before: FederatedJobStatus, after: FederatedJobStatus) -> bool:
    """Whether only numbers and silos' rows changed."""
    return (before.phase, before.conditions, before.attempt) == (after.phase, after.conditions, after.attempt)
