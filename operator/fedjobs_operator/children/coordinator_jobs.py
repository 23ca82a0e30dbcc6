"""The Kubernetes Job and the pod of one attempt of the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_api.coordinators import (
    CANNOT_START,
    CONTAINER,
    FAILED_FOR_GOOD,
    OUTPUT,
    RESULT,
    STORAGE_FAILED,
    SUSPENDED,
    output_folder,
)
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.locations import PROGRAM_FOLDER
from fedjobs_api.names import ATTEMPT, HUB_AUDIENCE, METRICS_PORT, QUEUE, SESSION_PORT, JobRef

from fedjobs_operator.children import config_maps
from fedjobs_operator.settings import Hub, Settings

USER = 65532
_GRACE_S = 60
_REQUESTS = {"cpu": "250m", "memory": "1Gi"}
_OUTPUT_OPTIONS, _OPTIONS_FILE = "/output-options", "options.json"
_HUB_FOLDER = "/hub"
_TOKEN_S = 3600
"""Lifetime of the pod's token. The kubelet renews it."""


def coordinator_job(
    ref: JobRef, job: FederatedJob, attempt: int, settings: Settings, resolved_digest: str
) -> dict[str, Any]:
    """Returns the manifest of one attempt.

    The Job creates no second pod after a crash, because the operator decides when and how often there is another
    attempt. The Job does replace a pod whose node was lost or drained, because that is not a crash.

    Args:
        ref: The job.
        job: The job as written now.
        attempt: The number of the attempt.
        settings: The operator's settings.
        resolved_digest: The digest of the resolved job. The coordinator runs no other.
    """
    labels = ref.labels("coordinator") | {ATTEMPT: str(attempt)}
    metadata = ref.metadata(ref.attempt(attempt), "coordinator") | {"labels": dict(labels)}
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules()},
        "template": {"metadata": {"labels": labels}, "spec": _pod(ref, job, settings, resolved_digest)},
    }
    queue = job.metadata.labels.get(QUEUE)
    if queue is not None:
        metadata["labels"][QUEUE] = queue  # Kueue decides whether the Job is suspended
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _failure_rules() -> list[dict[str, Any]]:
    def exit_code(action: str, *codes: int) -> dict[str, Any]:
        return {"action": action, "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [*codes]}}

    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        # These exits are not crashes and are not counted. The Job creates another pod after 10 s, and doubles the delay
        # each time up to 10 minutes. Another coordinator may still hold the volume, or the result's storage is down.
        exit_code("Ignore", CANNOT_START, STORAGE_FAILED, SUSPENDED),
        exit_code("FailJob", FAILED_FOR_GOOD),
    ]


def _pod(ref: JobRef, job: FederatedJob, settings: Settings, resolved_digest: str) -> dict[str, Any]:
    coordinator = job.spec.coordinator
    mounts = _Mounts(ref, job, settings.hub, resolved_digest)
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_S,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": coordinator.node_selector,
        "tolerations": coordinator.tolerations,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": settings.image.name,
                "imagePullPolicy": settings.image.pull_policy,
                "args": mounts.arguments,
                "env": [{"name": "HOME", "value": "/tmp"}, {"name": "TF_CPP_MIN_LOG_LEVEL", "value": "2"}],  # noqa: S108
                "ports": [
                    {"name": "session", "containerPort": SESSION_PORT, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
                ],
                "readinessProbe": {"tcpSocket": {"port": "session"}, "periodSeconds": 1, "failureThreshold": 10},
                "livenessProbe": {
                    "httpGet": {"path": "/healthz", "port": "metrics"},
                    "initialDelaySeconds": 10,
                    "periodSeconds": 10,
                    "timeoutSeconds": 5,
                    "failureThreshold": 12,  # the import of TensorFlow Federated blocks the process on a busy node
                },
                "resources": _resources(coordinator.resources),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": mounts.mounts,
            }
        ],
        "volumes": mounts.volumes,
    }


def _resources(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the job's resources. A missing request defaults to the limit, or to a small request without one."""
    limits = given.get("limits") or {}
    requests = {name: limits.get(name, amount) for name, amount in _REQUESTS.items()}
    return {**given, "requests": {**requests, **(given.get("requests") or {})}}


class _Mounts:
    """The container's volumes and mounts, and the arguments that refer to them."""

    def __init__(self, ref: JobRef, job: FederatedJob, hub: Hub, resolved_digest: str) -> None:
        self.volumes: list[dict[str, Any]] = []
        self.mounts: list[dict[str, Any]] = []
        # A user who can write ConfigMaps can replace the one with the resolved job before the pod mounts it.
        self.arguments = [
            "--job",
            "/job/job.json",
            "--job-digest",
            resolved_digest,
            "--dir",
            "/state",
            "--result",
            RESULT,
        ]
        self.arguments += ["--hub", hub.address, "--hub-name", hub.name, "--hub-credentials", _HUB_FOLDER]
        self.arguments += ["--listen", f"0.0.0.0:{SESSION_PORT}", "--metrics", f"0.0.0.0:{METRICS_PORT}"]
        self.arguments += ["--termination-message", "/dev/termination-log"]
        self._add("job", "/job", {"configMap": {"name": ref.resolved}}, read_only=True)
        self._add("hub", _HUB_FOLDER, {"projected": _credentials(ref)}, read_only=True)
        self._add("state", "/state", _claim(ref.claim))
        self._add("tmp", "/tmp", {"emptyDir": {}})  # noqa: S108
        self._add_program(job)
        self._add_output(job)

    def _add_program(self, job: FederatedJob) -> None:
        program = job.spec.program
        if program.source is not None and program.source.config_map is not None:
            self._add(
                "program", PROGRAM_FOLDER, {"configMap": {"name": program.source.config_map.name}}, read_only=True
            )

    def _add_output(self, job: FederatedJob) -> None:
        output = job.spec.output
        if output.uri is not None:
            self.arguments += ["--output-uri", output.uri]
            if output.secret_ref is not None:
                items = [{"key": _OPTIONS_FILE, "path": _OPTIONS_FILE}]  # mount no other keys of the Secret
                source = {"secret": {"secretName": output.secret_ref.name, "defaultMode": 0o440, "items": items}}
                self._add("output-options", _OUTPUT_OPTIONS, source, read_only=True)
                self.arguments += ["--output-options", f"{_OUTPUT_OPTIONS}/{_OPTIONS_FILE}"]
        elif output.persistent_volume_claim is not None:
            self._add("output", OUTPUT, _claim(output.persistent_volume_claim.claim_name))
            self.arguments += ["--output-uri", f"file://{output_folder(output.persistent_volume_claim)}"]

    def _add(self, name: str, path: str, source: dict[str, Any], *, read_only: bool = False) -> None:
        self.volumes.append({"name": name, **source})
        self.mounts.append({"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})})


def _credentials(ref: JobRef) -> dict[str, Any]:
    """Returns the volume by which pod and hub authenticate each other: the pod's token and the hub's issuers."""
    token = {"audience": HUB_AUDIENCE, "expirationSeconds": _TOKEN_S, "path": "token"}
    trust = {"name": ref.hub, "items": [{"key": config_maps.TRUST_FILE, "path": config_maps.TRUST_FILE}]}
    return {"defaultMode": 0o440, "sources": [{"serviceAccountToken": token}, {"configMap": trust}]}


def _claim(name: str) -> dict[str, Any]:
    return {"persistentVolumeClaim": {"claimName": name}}
