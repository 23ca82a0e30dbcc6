"""Carries out plans. Other modules change only this: the reconciler posts events, the sweeper deletes stale routes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fedjobs_api.api_calls import CONFLICT, NOT_FOUND, ApiError
from fedjobs_api.names import API_VERSION, FIELD_MANAGER, JOB_UID, KIND, MANAGED_BY, JobRef
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_common import digests
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_operator.children import config_maps
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.planning.plans import Plan

_FIXED = frozenset({"Job", "PersistentVolumeClaim"})
"""Most of their fields are immutable, so they are created and never applied again."""
_REFUSED = frozenset({400, 403, 422})
"""HTTP statuses of objects that are invalid or forbidden by a quota or a policy. A person must fix the cause."""
_GONE = ""


class ObjectRefusedError(ApiError):
    """The API server rejected an object of a job. The message names the object and quotes the API server."""


class Applier:
    """Applies the objects that differ from what it applied before. It blocks, and is called for one job at a time.

    What it remembers only saves calls: after a restart, the operator applies everything once more without effect.

    Args:
        api: The API server.
        own_namespace: The operator's namespace, which holds the routes.
    """

    def __init__(self, api: KubernetesApi, own_namespace: str) -> None:
        self._api = api
        self._own_namespace = own_namespace
        self._done: dict[str, dict[str, str]] = {}

    def apply(self, ref: JobRef, plan: Plan) -> list[dict[str, Any]]:
        """Carries out a plan, except the status.

        Returns:
            The children that were created. The watch reports them a moment later.

        Raises:
            ObjectRefusedError: The API server rejected an object.
            ApiError: Another call failed. The job is planned again later.
        """
        done = self._done.setdefault(ref.uid, {})
        created = [child for manifest in plan.apply if (child := self._make(done, manifest)) is not None]
        if plan.withdraw:
            self._withdraw(done, ref)
        for name, wanted in plan.suspend.items():
            self._api.merge("Job", ref.namespace, name, {"spec": {"suspend": wanted}})
        for name in plan.delete:
            self._api.delete("Job", ref.namespace, name)
        if plan.own_claim:
            change = {"metadata": {"ownerReferences": [ref.owner()]}}
            self._api.merge("PersistentVolumeClaim", ref.namespace, ref.claim, change)
        if plan.delete_job:
            self._api.delete(KIND, ref.namespace, ref.name, uid=ref.uid)
        return created

    def keep(self, ref: JobRef, resolved: ResolvedJob) -> ResolvedJob:
        """Stores the resolved job once, and returns the stored one. The first stored version wins.

        Raises:
            ObjectRefusedError: The API server rejected the ConfigMap, or its name is taken by an unrelated object.
            ApiError: The existing ConfigMap belongs to an earlier job.
        """
        manifest = config_maps.resolved_config(ref, resolved)
        with _refusals(manifest):
            created = self._api.create(manifest)
        there = created or self._api.get("ConfigMap", ref.namespace, ref.resolved)
        labels = {} if there is None else there["metadata"].get("labels", {})
        if there is not None and labels.get(MANAGED_BY) != FIELD_MANAGER:
            what = f"A ConfigMap {ref.resolved} exists that the operator did not create. Delete it, or rename the job"
            raise ObjectRefusedError(CONFLICT, what)
        if there is None or labels.get(JOB_UID) != ref.uid:
            raise _taken("ConfigMap", ref.resolved)
        return config_maps.read(there)

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

    def _withdraw(self, done: dict[str, str], ref: JobRef) -> None:
        """Deletes what routes to the coordinator, starting with the front door's route."""
        places = (("Service", self._own_namespace), ("Service", ref.namespace), ("NetworkPolicy", ref.namespace))
        for kind, namespace in places:
            what = _what(kind, namespace, ref.service)
            if done.get(what) != _GONE:
                self._api.delete(kind, namespace, ref.service)
                done[what] = _GONE

    def _make(self, done: dict[str, str], manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        if manifest["kind"] in _FIXED:
            with _refusals(manifest):
                created = self._api.create(manifest)
            if created is None and manifest["kind"] == "Job":
                raise _taken("Job", manifest["metadata"]["name"])
            return created
        what = _what(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        content = digests.digest(json.dumps(manifest, sort_keys=True).encode())
        if done.get(what) != content:
            with _refusals(manifest):
                self._api.apply(manifest)
            done[what] = content
        return None


def _taken(kind: str, name: str) -> ApiError:
    """Returns the error for an existing object of an earlier job with the same name, or one not yet in the cache."""
    return ApiError(CONFLICT, f"A {kind} {name} exists already, and is not known to belong to this job.")


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
