"""Carries out plans: the one place that changes anything on the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fedjobs_common import digests
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.children import configs
from fedjobs_operator.cluster.api_calls import CONFLICT, NOT_FOUND, ApiError
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.names import API_VERSION, FIELD_MANAGER, JOB_UID, KIND, MANAGED_BY, JobRef
from fedjobs_operator.planning.decisions import Plan

_FIXED = frozenset({"Job", "PersistentVolumeClaim"})
"""Most of their fields cannot change, so they are created, and never applied over."""
_REFUSED = frozenset({400, 403, 422})
"""Forbidden by a quota or a policy, or invalid: people have to do something about it."""
_GONE = ""


class ObjectRefusedError(ApiError):
    """The API server does not want an object of a job to be there; the message names it and has the server's words."""


class Applier:
    """Applies what differs from what it applied before. Blocks, and is called for one job at a time.

    What it remembers saves calls and nothing else: a new operator applies everything once more, to no effect.

    Args:
        api: The API server.
        own_namespace: The operator's, where routes are.
    """

    def __init__(self, api: KubernetesApi, own_namespace: str) -> None:
        self._api = api
        self._own_namespace = own_namespace
        self._done: dict[str, dict[str, str]] = {}

    def apply(self, ref: JobRef, plan: Plan) -> list[dict[str, Any]]:
        """Makes it so, all but the status.

        Returns:
            Children that were created: the news of them may take a moment.

        Raises:
            ObjectRefusedError: The API server does not want something to be there.
            ApiError: It refused, or could not do, something else; nothing is lost, the plan is made again later.
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
        """Writes down, once, what the job is run as, and returns what is written down: the first word counts.

        Raises:
            ObjectRefusedError: The API server refused it, or somebody else has something of that name.
            ApiError: What is there is an earlier job's.
        """
        manifest = configs.resolved_config(ref, resolved)
        with _refusals(manifest):
            created = self._api.create(manifest)
        there = created or self._api.get("ConfigMap", ref.namespace, ref.resolved)
        labels = {} if there is None else there["metadata"].get("labels", {})
        if there is not None and labels.get(MANAGED_BY) != FIELD_MANAGER:
            what = f"There is a ConfigMap {ref.resolved} that is not the operator's. Remove it, or rename the job"
            raise ObjectRefusedError(CONFLICT, what)
        if there is None or labels.get(JOB_UID) != ref.uid:
            raise _taken("ConfigMap", ref.resolved)
        return configs.read(there)

    def write_status(self, ref: JobRef, status: FederatedJobStatus) -> dict[str, Any] | None:
        """Writes the status of a job that is still the same one; the job as it is then, None where it is not."""
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            return self._api.apply(body, "status")
        except ApiError as error:
            if error.status not in (NOT_FOUND, CONFLICT):  # deleted meanwhile, and perhaps made anew
                raise
            there = self._api.get(KIND, ref.namespace, ref.name)
            if there is not None and there["metadata"]["uid"] == ref.uid:
                raise
            return None

    def forget(self, uid: str) -> None:
        """The job is over, or gone."""
        self._done.pop(uid, None)

    def _withdraw(self, done: dict[str, str], ref: JobRef) -> None:
        """Takes away what leads to the coordinator, from the outside in."""
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
    """An earlier job's of the same name, which the cluster is about to delete, or one that nothing was heard of yet."""
    return ApiError(CONFLICT, f"There is a {kind} {name} already that is not known to be this job's.")


@contextmanager
def _refusals(manifest: Mapping[str, Any]) -> Iterator[None]:
    """Says which object it was that the API server refused."""
    try:
        yield
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        raise ObjectRefusedError(error.status, f"The API server refuses the {what}: {error}") from error


def _what(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}"
