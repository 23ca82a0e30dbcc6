"""Carries out plans: the one place that changes anything on the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_protocol.identities import RunAuthority
from fedjobs_protocol.jobs import ResolvedJob

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.children import configs, secrets
from fedjobs_operator.kubernetes_api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi
from fedjobs_operator.names import API_VERSION, JOB_UID, KIND, JobRef
from fedjobs_operator.plans import Plan

_FIXED = frozenset({"Job", "PersistentVolumeClaim"})
"""Most of their fields cannot change, so they are created, and never applied over."""


class Applier:
    """Applies what differs from what it applied before. Blocks, and is called for one job at a time.

    What it remembers saves calls and nothing else: a new operator applies everything once more, to no effect.

    Args:
        api: The API server.
        authority: Issues certificates.
    """

    def __init__(self, api: KubernetesApi, authority: RunAuthority) -> None:
        self._api = api
        self._authority = authority
        self._done: dict[str, dict[str, Any]] = {}

    def apply(self, ref: JobRef, job: FederatedJob, resolved: ResolvedJob, plan: Plan) -> list[dict[str, Any]]:
        """Makes it so, all but the status.

        Returns:
            Children that were created: the news of them may take a moment.

        Raises:
            ApiError: The API server refused something; nothing is lost, the plan is made again later.
        """
        done = self._done.setdefault(ref.uid, {})
        if plan.certify and "certificate" not in done:
            self._api.create(secrets.coordinator_secret(ref, self._authority))
            done["certificate"] = True
        created = [child for manifest in plan.apply if (child := self._make(done, manifest)) is not None]
        for silo in plan.invite:
            if _invitation(silo) not in done:
                self._api.create(secrets.invitation_secret(ref, job, resolved, silo, self._authority))
                done[_invitation(silo)] = True
        if plan.withdraw and not done.get("withdrawn"):
            for silo in resolved.silos:
                self._api.delete("Secret", ref.namespace, ref.invitation(silo))
                done.pop(_invitation(silo), None)
            done["withdrawn"] = True
        if plan.invite:
            done.pop("withdrawn", None)
        for name, wanted in plan.suspend.items():
            self._api.merge("Job", ref.namespace, name, {"spec": {"suspend": wanted}})
        for name in plan.delete:
            self._api.delete("Job", ref.namespace, name)
        if plan.delete_job:
            self._api.delete(KIND, ref.namespace, ref.name, uid=ref.uid)
        return created

    def keep(self, ref: JobRef, resolved: ResolvedJob) -> ResolvedJob:
        """Writes down, once, what the job is run as, and returns what is written down: the first word counts.

        Raises:
            ApiError: The API server refused it, or what is there is not this job's.
        """
        manifest = configs.resolved_config(ref, resolved)
        there = self._api.create(manifest) or self._api.get("ConfigMap", ref.namespace, ref.resolved)
        if there is None or there["metadata"].get("labels", {}).get(JOB_UID) != ref.uid:
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
            return None

    def forget(self, uid: str) -> None:
        """The job is gone."""
        self._done.pop(uid, None)

    def _make(self, done: dict[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        if manifest["kind"] in _FIXED:
            created = self._api.create(manifest)
            if created is None and manifest["kind"] == "Job":
                raise _taken("Job", manifest["metadata"]["name"])
            return created
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        if done.get(what) != manifest:
            self._api.apply(manifest)
            done[what] = manifest
        return None


def _taken(kind: str, name: str) -> ApiError:
    """An earlier job's of the same name, which the cluster is about to delete, or one that nothing was heard of yet."""
    return ApiError(CONFLICT, f"There is a {kind} {name} already that is not known to be this job's.")


def _invitation(silo: str) -> str:
    return f"invitation {silo}"
