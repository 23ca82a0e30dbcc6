"""Pods that run the probe, the program with which the tests find out what a pod can do."""

from __future__ import annotations

import uuid
from typing import Any

import yaml

from tests.cluster import links
from tests.cluster.clusters import Cluster
from tests.cluster.load_balancers import balance
from tests.cluster.reaching import reaches
from tests.cluster.readiness import wait_until
from tests.cluster.scratch_images import PROBE


def a_namespace(cluster: Cluster) -> str:
    """Creates a namespace that enforces the restricted standard, and returns its name."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    return name


def a_pod(namespace: str, *tries: str, claim: str | None = None) -> dict[str, Any]:
    """Returns the manifest of a pod that makes these tries one after the other."""
    container: dict[str, Any] = {
        "name": "probe",
        "image": PROBE,
        "imagePullPolicy": "Never",
        "args": list(tries),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    identity = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    volumes = []
    if claim is not None:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": namespace, "labels": {"app": "probe"}},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {**identity, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": volumes,
        },
    }


def a_claim(namespace: str, mode: str = "ReadWriteOnce") -> dict[str, Any]:
    """Returns the manifest of a claim of the default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": namespace},
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}},
    }


def wait_for_output(cluster: Cluster, namespace: str) -> str:
    """Waits until the probe ends, and returns its output. Fails with the output if the probe fails."""
    asked = ("get", "pod", "probe", "-n", namespace, "-o", "jsonpath={.status.phase}")
    wait_until("the pod ends", lambda: cluster.kubectl(*asked) in {"Succeeded", "Failed"})
    said = cluster.kubectl("logs", "probe", "-n", namespace)
    assert cluster.kubectl(*asked) == "Succeeded", said
    return said


def open_front_door(cluster: Cluster) -> None:
    """Starts a pod that listens behind a load balancer."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front-door", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"port": links.FRONT_DOOR_PORT, "targetPort": 8443}],
            "selector": {"app": "probe"},
        },
    }
    cluster.kubectl.apply(yaml.safe_dump_all([a_pod("default", "listen", ":8443", "wait"), service]))
    address = balance(cluster, "default", "front-door")
    wait_until("the front door is open", lambda: reaches(cluster.inside, address, links.FRONT_DOOR_PORT))
