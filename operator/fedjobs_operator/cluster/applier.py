"""Carries out plans. Other modules change only this: the reconciler posts events, the sweeper deletes stale routes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fedjobs_api.api_calls import CONFLICT, NOT_FOUND, ApiError
from fedjobs_api.conditions import Reason
from fedjobs_api.names import API_VERSION, JOB_UID, KIND, JobRef
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_common import digests
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_operator.children import config_maps
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.planning import ownership
from fedjobs_operator.planning.plans import Plan

_FIXED = frozenset({"Job", "PersistentVolumeClaim"})
"""Most of their fields are immutable, so they are created and never applied again."""
_REPLACED = frozenset({"Service", "NetworkPolicy"})
"""Their content never changes during a job. If somebody changed it, they are deleted and created again."""
_CHECKED = "fedjobs-check"
"""Name of a Job that is never stored: the API server only completes its defaults."""
_REFUSED = frozenset({400, 403, 422})
"""HTTP statuses of objects that are invalid or forbidden by a quota or a policy. A person must fix the cause."""
RENEWED_EVERY_S = 600.0
_GONE = ""


class ObjectRefusedError(ApiError):
    """The API server rejected an object of a job. The message names the object and quotes the API server.

    Attributes:
        reason: The reason of the condition that reports it.
    """

    reason = Reason.OBJECT_REJECTED


class NameTakenError(ObjectRefusedError):
    """An object exists that has the name of a job's object and is not the job's. It is left alone."""

    reason = Reason.NAME_TAKEN


class Applier:
    """Applies the objects that differ from what it applied before. It blocks, and is called for one job at a time.

    What it remembers only saves calls: after a restart, the operator applies everything once more without effect. It
    forgets it every 10 minutes, because no event reports that somebody deleted a Service, a NetworkPolicy or a
    ConfigMap.

    Args:
        api: The API server.
        own_namespace: The operator's namespace, which holds the routes.
        clock: Returns the time in seconds. For tests.
    """

    def __init__(self, api: KubernetesApi, own_namespace: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._own_namespace = own_namespace
        self._clock = clock
        self._done: dict[str, dict[str, str]] = {}
        self._since: dict[str, float] = {}

    def apply(self, ref: JobRef, plan: Plan) -> list[dict[str, Any]]:
        """Carries out a plan, except the status.

        Returns:
            The children that were created, or found after an operator was killed that had created them. The watch
            reports them a moment later.

        Raises:
            NameTakenError: An object has the name of a job's object, and is not the job's.
            ObjectRefusedError: The API server rejected an object.
            ApiError: Another call failed. The job is planned again later.
        """
        done = self._done.setdefault(ref.uid, {})
        now = self._clock()
        if now - self._since.setdefault(ref.uid, now) >= RENEWED_EVERY_S:
            done.clear()
            self._since[ref.uid] = now
        created = [child for manifest in plan.apply if (child := self._make(ref, done, manifest)) is not None]
        if plan.withdraw:
            self._withdraw(done, ref)
        for name, wanted in plan.suspend.items():
            self._api.merge("Job", ref.namespace, name, {"spec": {"suspend": wanted}})
        for name in plan.delete:
            self._api.delete("Job", ref.namespace, name)
        if plan.own_claim:
            there = self._api.get("PersistentVolumeClaim", ref.namespace, ref.claim)
            if there is not None and ownership.is_claim(ref, there):
                change = {"metadata": {"uid": there["metadata"]["uid"], "ownerReferences": [ref.owner()]}}
                self._api.merge("PersistentVolumeClaim", ref.namespace, ref.claim, change)
        if plan.delete_job:
            self._api.delete(KIND, ref.namespace, ref.name, uid=ref.uid)
        return created

    def keep(self, ref: JobRef, resolved: ResolvedJob) -> None:
        """Stores the resolved job once.

        A ConfigMap that exists counts only if it has this content: a user can write a ConfigMap with the job's name,
        labels and owner, and the name of somebody else in it.

        Raises:
            NameTakenError: A ConfigMap with the name exists and has other content or another owner.
            ObjectRefusedError: The API server rejected the ConfigMap.
            ApiError: The existing ConfigMap belongs to an earlier job.
        """
        manifest = config_maps.resolved_config(ref, resolved)
        there = self._there(ref, manifest) or self._created(manifest)
        if not ownership.is_owned(ref, there) or config_maps.read(there, config_maps.digest(resolved)) is None:
            raise _taken(ref, manifest)

    def write_status(self, ref: JobRef, status: FederatedJobStatus) -> dict[str, Any] | None:
        """Writes the status and returns the updated job. Returns None if the job was deleted or replaced meanwhile."""
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            return self._api.apply(body, "status")
        except ApiError as error:
            if error.status not in (NOT_FOUND, CONFLICT):  # deleted meanwhile, and perhaps created again
                raise
            there = self._api.get(KIND, ref.namespace, ref.name)
            if there is not None and there["metadata"]["uid"] == ref.uid:
                raise
            return None

    def forget(self, uid: str) -> None:
        """Drops what is remembered about a job that has finished or was deleted."""
        self._done.pop(uid, None)
        self._since.pop(uid, None)

    def _withdraw(self, done: dict[str, str], ref: JobRef) -> None:
        """Deletes what routes to the coordinator, starting with the front door's route."""
        places = (("Service", self._own_namespace), ("Service", ref.namespace), ("NetworkPolicy", ref.namespace))
        for kind, namespace in places:
            what = _what(kind, namespace, ref.service)
            if done.get(what) == _GONE:
                continue
            there = self._api.get(kind, namespace, ref.service)
            if there is not None and self._is_ours(ref, there):
                self._api.delete(kind, namespace, ref.service, uid=there["metadata"].get("uid"))
            done[what] = _GONE

    def _make(self, ref: JobRef, done: dict[str, str], manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        if manifest["kind"] in _FIXED:
            there = self._there(ref, manifest)
            return self._created(manifest) if there is None else self._checked(ref, manifest, there)
        what = _what(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        content = digests.digest(json.dumps(manifest, sort_keys=True).encode())
        if done.get(what) != content:
            there = self._there(ref, manifest)
            if there is None:
                self._created(manifest)
            else:
                self._update(ref, manifest, there)
            done[what] = content
        return None

    def _update(self, ref: JobRef, manifest: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        """Changes an existing object of the job to a manifest, if it differs."""
        metadata = manifest["metadata"]
        if not self._is_ours(ref, there):
            raise _taken(ref, manifest)
        content = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
        if ownership.contains(there, content):
            return
        if manifest["kind"] in _REPLACED:
            self._api.delete(manifest["kind"], metadata["namespace"], metadata["name"], uid=there["metadata"]["uid"])
            self._created(manifest)
            return
        with _refusals(manifest):
            self._api.apply(manifest)

    def _checked(self, ref: JobRef, manifest: Mapping[str, Any], there: dict[str, Any]) -> dict[str, Any]:
        """Returns an existing Job or claim if it is what the manifest creates. An operator may have been killed."""
        if manifest["kind"] == "PersistentVolumeClaim":
            is_ours = ownership.is_claim(ref, there)
        else:
            is_ours = ownership.is_owned(ref, there) and ownership.is_same_job(there, self._completed(manifest))
        if not is_ours:
            raise _taken(ref, manifest)
        return there

    def _completed(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the manifest with the defaults of the API server. Stores nothing."""
        name = f"{_CHECKED}-{manifest['metadata']['labels'][JOB_UID][:8]}"
        checked = {**manifest, "metadata": {**manifest["metadata"], "name": name}}
        with _refusals(manifest):
            return self._api.create(checked, dry_run=True) or dict(manifest)

    def _created(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Creates an object that does not exist.

        Raises:
            ObjectRefusedError: The API server rejected it.
            ApiError: Somebody has created one with the name meanwhile.
        """
        with _refusals(manifest):
            created = self._api.create(manifest)
        if created is None:
            raise ApiError(CONFLICT, f"A {manifest['kind']} {manifest['metadata']['name']} exists already.")
        return created

    def _there(self, ref: JobRef, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the existing object that has the manifest's name. None if there is none.

        It is read before it is created: a quota that is used up would reject also what exists.

        Raises:
            ApiError: It belongs to an earlier job of the same name.
        """
        kind, metadata = manifest["kind"], manifest["metadata"]
        there = self._api.get(kind, metadata["namespace"], metadata["name"])
        if there is not None and ("deletionTimestamp" in there["metadata"] or ownership.is_left_over(ref, there)):
            raise ApiError(CONFLICT, f"A {kind} {metadata['name']} exists already, and is about to be deleted.")
        return there

    def _is_ours(self, ref: JobRef, there: Mapping[str, Any]) -> bool:
        """Returns whether an object is the job's. No user writes into the operator's own namespace."""
        metadata = there["metadata"]
        if metadata.get("namespace") == self._own_namespace:
            return bool(metadata.get("labels", {}).get(JOB_UID) == ref.uid)
        return ownership.is_owned(ref, there)


def _taken(ref: JobRef, manifest: Mapping[str, Any]) -> NameTakenError:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    return NameTakenError(
        CONFLICT,
        f"A {kind} {name} exists already, and the operator did not create it for this job. It is left alone. Delete it"
        f" (kubectl delete {kind.lower()} {name} --namespace {manifest['metadata']['namespace']}), or create the job"
        f" {ref.name} under another name",
    )


@contextmanager
def _refusals(manifest: Mapping[str, Any]) -> Iterator[None]:
    """Converts a rejection by the API server to an error that names the object."""
    try:
        yield
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        raise ObjectRefusedError(error.status, f"The API server rejected the {what}: {error}") from error


def _what(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}"
