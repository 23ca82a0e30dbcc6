"""Runs a short-lived pod that mounts a job's claims read-only, so that files can be copied out of them.

The pod runs the coordinator's image, which the nodes have already pulled, with the coordinator's user. It meets the
`restricted` Pod Security Standard. The FederatedJob owns the pod, and the pod exits by itself after an hour.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import API_VERSION, JOB, JOB_UID, KIND, MANAGED_BY
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection
from fedjobs.cluster.coordinator_pods import waits_for
from fedjobs.cluster.federated_jobs import MANAGER, Body

CONTAINER = "reader"
LIFE_S = 3600
_START_S = 300.0
_LOOK_EVERY_S = 0.5
_COPIED = ("nodeSelector", "tolerations", "imagePullSecrets", "runtimeClassName", "securityContext")
"""Fields that the pod copies from the coordinator, so that it can run on the same nodes."""
_HOPELESS = ("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "CreateContainerConfigError")
_SLEEP = f"import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit()); time.sleep({LIFE_S})"


@dataclass(frozen=True)
class Mount:
    """A PersistentVolumeClaim and its mount path."""

    claim: str
    path: str


def manifest(job: Body, coordinator: Body, mounts: Sequence[Mount], name: str) -> dict[str, Any]:
    """Returns the manifest of the pod.

    Args:
        job: The FederatedJob that owns the pod.
        coordinator: The Kubernetes Job of one of its coordinators.
        mounts: The claims to mount.
        name: The name of the pod.
    """
    template: Mapping[str, Any] = coordinator["spec"]["template"]["spec"]
    original = template["containers"][0]
    metadata = job["metadata"]
    volumes = {mount.claim: f"claim-{number}" for number, mount in enumerate(mounts)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {
                "app.kubernetes.io/name": "fedjobs",
                "app.kubernetes.io/component": "result-reader",
                MANAGED_BY: MANAGER,
                JOB: metadata["name"],
                JOB_UID: metadata["uid"],
            },
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": KIND, "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "spec": {
            **{field: template[field] for field in _COPIED if field in template},
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFE_S,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": CONTAINER,
                    "image": original["image"],
                    "imagePullPolicy": original.get("imagePullPolicy", "IfNotPresent"),
                    "command": ["python", "-c", _SLEEP],
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": volumes[mount.claim], "mountPath": mount.path, "readOnly": True} for mount in mounts
                    ],
                }
            ],
            "volumes": [
                {"name": volume, "persistentVolumeClaim": {"claimName": claim}} for claim, volume in volumes.items()
            ],
        },
    }


@contextlib.contextmanager
def running(
    connection: Connection, job: Body, coordinator: Body, mounts: Sequence[Mount], say: Callable[[str], object]
) -> Iterator[str]:
    """Starts a pod, yields its name, and deletes it after the block.

    Args:
        connection: The connection to the cluster.
        job: The FederatedJob.
        coordinator: The Kubernetes Job of one of its coordinators.
        mounts: The claims to mount.
        say: Called with progress messages.

    Raises:
        FedjobsError: UNAVAILABLE if the pod cannot be created or does not start. The message has Kubernetes' reason.
    """
    namespace = job["metadata"]["namespace"]
    name = f"{job['metadata']['name']}-result-{secrets.token_hex(3)}"
    try:
        with explained("Cannot create the pod that reads the result"):
            connection.core.create_namespaced_pod(
                namespace,
                manifest(job, coordinator, mounts, name),
                field_manager=MANAGER,
                _request_timeout=TIMEOUT_S,
            )
        say(f"Reading {', '.join(mount.claim for mount in mounts)} through the pod {name} ...")
        _wait(connection, namespace, name, say)
        yield name
    finally:
        _delete(connection, namespace, name, say)


def _wait(connection: Connection, namespace: str, name: str, say: Callable[[str], object]) -> None:
    deadline, said = time.monotonic() + _START_S, ""
    while True:
        with explained(f"Cannot read the status of the pod {name}"):
            pod = connection.plain(connection.core.read_namespaced_pod(name, namespace, _request_timeout=TIMEOUT_S))
        phase, why = pod.get("status", {}).get("phase"), waits_for(pod)
        if phase == "Running":
            return
        if phase in ("Succeeded", "Failed") or why.startswith(_HOPELESS) or time.monotonic() > deadline:
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"The pod {name}, which reads the result, does not run: {why or phase}.",
                "Fix the cause, and try again.",
            )
        if why and why != said:
            said = why
            say(f"The pod {name} is waiting: {why}")
        time.sleep(_LOOK_EVERY_S)


def _delete(connection: Connection, namespace: str, name: str, say: Callable[[str], object]) -> None:
    try:
        with explained(f"Cannot delete the pod {name}"):
            connection.core.delete_namespaced_pod(name, namespace, _request_timeout=TIMEOUT_S)
    except ApiError as error:
        if error.reason != "NotFound":  # never made, or gone already
            say(f"warning: {error.message} It exits by itself within {LIFE_S // 60} minutes.")
