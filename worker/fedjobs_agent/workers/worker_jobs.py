"""Creates the manifest of a worker's Job, which meets the restricted Pod Security Standard.

The pod has three containers. The session handles gRPC, the policy and the data, and creates its own key and gets a
certificate for it. The runner has another user, runs TensorFlow, and only has a Unix socket to the session. The audit
container prints the session's audit log and nothing else, so no text of the session's own log reaches the agent.

Runner and audit container are native sidecars, so that the pod ends with its session. The kubelet stops them after the
session has ended, the last one first. So the audit container prints the last entry before it ends.
"""

from __future__ import annotations

import copy
from typing import Any

from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_worker.consent import approvals, pending
from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.config import AgentConfig
from fedjobs_agent.planning import names
from fedjobs_agent.planning.observations import AUDIT, SESSION
from fedjobs_agent.planning.planner import Start

Object = dict[str, Any]

SESSION_UID, RUNNER_UID, GROUP = 65532, 65533, 65532
METRICS_PORT = 9090
GRACE_S, END_S = 50, 60  # time to finish current work; then the kubelet kills the containers

_SOCKET = "/run/fedjobs/runner.sock"
_AUDIT_LOG = "/audit/audit.jsonl"
_ENDLESSLY = 2**31 - 1  # the kubelet and the Job controller back off between restarts
_SESSION_REQUESTS = {"cpu": "50m", "memory": "256Mi"}
_RUNNER_REQUESTS = {"cpu": "200m", "memory": "768Mi"}
_AUDIT_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}


def worker_job(
    start: Start, config: AgentConfig, silo: SiloFile, hub: HubLink, namespace: str, owner: Object | None
) -> Object:
    """Returns the manifest of a worker.

    The pod mounts the Secret with the worker's name, which contains invitation.json, token, ca.crt, used.json and
    sampling-secret.

    Args:
        start: The invitation, and whether the worker gets a GPU.
        config: The agent's configuration.
        silo: The silo file, with the GPU settings and resources.
        hub: The connection to the hub, for the worker's certificate.
        namespace: The agent's namespace.
        owner: An owner reference. The worker is deleted with its owner. None: no owner.
    """
    received = start.received
    invitation = received.invitation
    labels = names.labels(invitation.job_name, invitation.job_uid, received.silo)
    annotations = {names.INVITATION_ID: received.id, names.GPU: str(start.gpu).lower()}
    name = names.worker(invitation.job_name, invitation.job_uid, received.silo)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
        "spec": {
            "backoffLimit": _ENDLESSLY,
            "podReplacementPolicy": "Failed",  # a worker that is stopped delivers its result first
            "template": {"metadata": {"labels": labels}, "spec": _pod(name, start, config, silo, hub)},
        },
    }


def owned_by_deployment(deployment: Object) -> Object:
    """Returns an owner reference to the agent's Deployment, so that the workers are deleted with it."""
    name, uid = deployment["metadata"]["name"], deployment["metadata"]["uid"]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid, "blockOwnerDeletion": False}


def _pod(secret: str, start: Start, config: AgentConfig, silo: SiloFile, hub: HubLink) -> Object:
    data = [{"name": "data", **_read_only(config.data.volume)}] if config.data else []
    pod: Object = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": False,  # each container sees its own processes only
        "terminationGracePeriodSeconds": END_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": SESSION_UID,
            "runAsGroup": GROUP,
            "fsGroup": GROUP,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_runner(start, config, silo), _audit(config)],
        "containers": [_session(start, config, hub)],
        "volumes": [
            {"name": "invitation", "secret": {"secretName": secret, "defaultMode": 0o440}},
            {"name": "silo", "configMap": {"name": config.config_map, "defaultMode": 0o444}},
            {"name": "approvals", "configMap": {"name": approvals.CONFIG_MAP, "optional": True, "defaultMode": 0o444}},
            {"name": "socket", "emptyDir": {"sizeLimit": "1Mi"}},
            {"name": "state", "emptyDir": {}},
            {"name": "audit", "emptyDir": {}},
            {"name": "session-tmp", "emptyDir": {}},
            {"name": "runner-tmp", "emptyDir": {"sizeLimit": "2Gi"}},
            *data,
        ],
    }
    if config.runtime_class_name is not None:
        pod["runtimeClassName"] = config.runtime_class_name
    if config.image_pull_secrets:
        pod["imagePullSecrets"] = [*config.image_pull_secrets]
    if start.gpu and silo.runner.gpu is not None:
        pod["nodeSelector"] = dict(silo.runner.gpu.node_selector)
        pod["tolerations"] = copy.deepcopy(silo.runner.gpu.tolerations)
    return pod


def _session(start: Start, config: AgentConfig, hub: HubLink) -> Object:
    arguments = ["--silo-file", "/silo/silo.yaml", "--invitation", "/invitation/invitation.json"]
    arguments += ["--hub", hub.address, "--hub-name", hub.front_door]
    arguments += ["--hub-token", "/invitation/token", "--hub-trust", "/invitation/ca.crt"]
    arguments += ["--state", "/state", "--audit", _AUDIT_LOG]
    arguments += ["--sampling-secret", "/invitation/sampling-secret"]
    arguments += ["--used", "/invitation/used.json", "--approvals", "/approvals", "--pending", str(pending.FOLDER)]
    arguments += ["--runner-socket", _SOCKET, "--metrics", f"0.0.0.0:{METRICS_PORT}"]
    arguments += ["--termination-message", "/dev/termination-log", "--grace", str(GRACE_S)]
    if start.device_note:
        arguments += ["--device-note", start.device_note]
    if config.dial_address:
        arguments += ["--dial", config.dial_address]
    mounts = [
        {"name": "invitation", "mountPath": "/invitation", "readOnly": True},
        {"name": "silo", "mountPath": "/silo", "readOnly": True},
        {"name": "approvals", "mountPath": "/approvals", "readOnly": True},
        {"name": "state", "mountPath": "/state"},
        {"name": "audit", "mountPath": "/audit"},
        {"name": "socket", "mountPath": "/run/fedjobs"},
        {"name": "session-tmp", "mountPath": "/tmp"},  # noqa: S108 (of the container)
    ]
    if config.data:
        mounts.append({"name": "data", "mountPath": config.data.mount_path, "readOnly": True})
    health = {"httpGet": {"path": "/healthz", "port": "metrics"}}
    return {
        "name": SESSION,
        "image": config.image,
        "imagePullPolicy": config.image_pull_policy,
        "command": ["python", "-m", "fedjobs_worker"],
        "args": arguments,
        "env": [{"name": "HOME", "value": "/tmp"}, *_proxy(config)],  # noqa: S108
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "startupProbe": {**health, "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {**health, "periodSeconds": 20, "timeoutSeconds": 10},
        "resources": _resources(config.session_resources, _SESSION_REQUESTS),
        "securityContext": _confined(SESSION_UID),
        "volumeMounts": mounts,
    }


def _proxy(config: AgentConfig) -> list[Object]:
    """Returns the proxy settings of the session. The runner has no network access."""
    if config.proxy is None:
        return []
    settings = {"https_proxy": config.proxy.url, "no_proxy": config.proxy.no_proxy}
    return [{"name": name, "value": value} for name, value in settings.items() if value]


def _runner(start: Start, config: AgentConfig, silo: SiloFile) -> Object:
    listens = {"exec": {"command": ["python", "-m", "fedjobs_worker.runner.probe", _SOCKET]}}
    resources = _with_limits(silo.runner.resources, {**_RUNNER_REQUESTS, "ephemeral-storage": "64Mi"})
    gpu = silo.runner.gpu if start.gpu else None
    if gpu is not None:
        count = str(start.received.invitation.gpu.count)
        for bound in ("requests", "limits"):
            resources[bound] = {**resources.get(bound, {}), gpu.resource_name: count}
    return {
        "name": "runner",
        "image": (config.gpu_image if gpu is not None else None) or config.image,
        "imagePullPolicy": config.image_pull_policy,
        "restartPolicy": "Always",  # makes it a sidecar
        "command": ["python", "-m", "fedjobs_worker.runner"],
        "args": ["--listen", _SOCKET, "--socket-mode", "0660"],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108
        "startupProbe": {**listens, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 60},
        "livenessProbe": {**listens, "periodSeconds": 60, "timeoutSeconds": 20},
        "resources": resources,
        "securityContext": _confined(RUNNER_UID),
        "volumeMounts": [
            {"name": "socket", "mountPath": "/run/fedjobs"},
            {"name": "runner-tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def _audit(config: AgentConfig) -> Object:
    return {
        "name": AUDIT,
        "image": config.image,
        "imagePullPolicy": config.image_pull_policy,
        "restartPolicy": "Always",  # makes it a sidecar
        "command": ["python", "-m", "fedjobs_worker.consent.audit_printer"],
        "args": [_AUDIT_LOG],
        "resources": copy.deepcopy(_AUDIT_RESOURCES),
        "securityContext": _confined(SESSION_UID),  # the session's user owns the file
        "volumeMounts": [{"name": "audit", "mountPath": "/audit", "readOnly": True}],
    }


def _confined(uid: int) -> Object:
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": GROUP,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _resources(given: Object, requests: Object) -> Object:
    """Returns the silo's resources. A missing request is the silo's limit if there is one, else a small default."""
    limits = given.get("limits") or {}
    asked = {name: limits.get(name, amount) for name, amount in requests.items()}
    return {**copy.deepcopy(given), "requests": {**asked, **(given.get("requests") or {})}}


def _with_limits(given: Object, requests: Object) -> Object:
    """Returns the runner's resources. A graph must not use up the node, so there are limits by default.

    They do not apply to what the silo requests or limits itself.
    """
    resources = _resources(given, requests)
    chosen = {*(given.get("limits") or {}), *(given.get("requests") or {})}
    defaults = {"memory": "8Gi", "ephemeral-storage": "4Gi"}
    limits = {name: amount for name, amount in defaults.items() if name not in chosen}
    return {**resources, "limits": {**limits, **(resources.get("limits") or {})}}


def _read_only(volume: Object) -> Object:
    """Makes a claim read-only, so that Kubernetes does not change the ownership of the silo's data to the fsGroup."""
    volume = copy.deepcopy(volume)
    if "persistentVolumeClaim" in volume:
        volume["persistentVolumeClaim"].setdefault("readOnly", True)
    return volume
