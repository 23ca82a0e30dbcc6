"""Reads pending computations in a silo's cluster and writes decisions about them, through the Kubernetes API."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_worker.consent import approvals
from fedjobs_worker.consent.approvals import Approval
from fedjobs_worker.consent.pending import Pending

from fedjobs.cluster import remote_commands
from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection

_WORKERS = "app.kubernetes.io/managed-by=fedjobs-agent,app.kubernetes.io/component=worker"
_AGENT = "app.kubernetes.io/name=fedjobs,app.kubernetes.io/component=agent"
_SESSION = "session"
_ATTEMPTS, _PAUSE_S = 3, 1.0
_LATEST = "fedjobs.dev/latest-approval"


class SiloNamespace:
    """An `ApprovalPlace` in the namespace of a silo.

    Args:
        connection: The connection to the silo's cluster, with the namespace that the silo is installed in.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._namespace = connection.namespace

    def pending(self) -> list[Pending]:
        """Returns the pending computations of all running workers."""
        found = [pending for pod in self._workers() for pending in self._pending_of(pod)]
        return sorted(found, key=lambda pending: pending.since)

    def _pending_of(self, pod: str) -> list[Pending]:
        """Returns the pending computations of a worker, or an empty list if the worker has ended."""
        command = ["python", "-m", "fedjobs_worker.consent.pending"]
        for attempt in range(_ATTEMPTS):
            try:
                said = b"".join(remote_commands.output(self._connection, self._namespace, pod, _SESSION, command))
                return [Pending.model_validate(each) for each in json.loads(said)]
            except FedjobsError:
                if attempt == _ATTEMPTS - 1 and pod in self._workers():
                    raise
                time.sleep(_PAUSE_S)  # the API server may not report yet that the pod has ended
        return []

    def say(self, digest: Digest, approval: Approval) -> None:
        written = {approvals.file_name(digest, approval): approvals.content_of(approval)}
        doing = f"Cannot change the ConfigMap {approvals.CONFIG_MAP} in namespace {self._namespace}"
        core = self._connection.core
        self._check_that_there_is_a_silo()
        try:
            with explained(doing):
                there = core.read_namespaced_config_map(
                    approvals.CONFIG_MAP, self._namespace, _request_timeout=TIMEOUT_S
                )
                obsolete = approvals.replaced(digest, approval, there.data or ())
                change: dict[str, Any] = {"data": written | dict.fromkeys(obsolete)}
                core.patch_namespaced_config_map(
                    approvals.CONFIG_MAP, self._namespace, change, _request_timeout=TIMEOUT_S
                )
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            with explained(doing):
                named = {"metadata": {"name": approvals.CONFIG_MAP}, "data": written}
                core.create_namespaced_config_map(self._namespace, named, _request_timeout=TIMEOUT_S)
        self._hurry(digest, approval)

    def _check_that_there_is_a_silo(self) -> None:
        """Raises an error if no agent runs in the namespace. No worker would read a decision there."""
        with explained(f"Cannot find the agent in namespace {self._namespace}"):
            agents = self._connection.core.list_namespaced_pod(
                self._namespace, label_selector=_AGENT, limit=1, _request_timeout=TIMEOUT_S
            )
        if not agents.items:
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"No agent of a silo runs in namespace {self._namespace}.",
                "Choose the namespace that the silo is installed in with --namespace.",
            )

    def _hurry(self, digest: Digest, approval: Approval) -> None:
        """Annotates the worker pods, so that the kubelets sync the ConfigMap now instead of within a minute."""
        change = {"metadata": {"annotations": {_LATEST: f"{digest[:12]} {approval.decision} {approval.at}"}}}
        for pod in self._workers():
            with suppress(ApiError), explained(f"Cannot annotate the pod {pod}"):
                self._connection.core.patch_namespaced_pod(pod, self._namespace, change, _request_timeout=TIMEOUT_S)

    def _workers(self) -> list[str]:
        with explained(f"Cannot list the workers in namespace {self._namespace}"):
            pods = self._connection.core.list_namespaced_pod(
                self._namespace,
                label_selector=_WORKERS,
                field_selector="status.phase=Running",
                _request_timeout=TIMEOUT_S,
            )
        return [p.metadata.name for p in pods.items if not p.metadata.deletion_timestamp and not _is_down(p)]


def _is_down(pod: Any) -> bool:
    """Returns whether the pod's session container has terminated, or waits to be restarted."""
    sessions = [each for each in pod.status.container_statuses or () if each.name == _SESSION]
    return any(each.state and (each.state.waiting or each.state.terminated) for each in sessions)
