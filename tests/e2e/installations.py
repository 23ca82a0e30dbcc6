"""Installs the federation's own components by their chart: operator, hub and front door."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import load_balancers, nginx_images
from tests.cluster.clusters import Cluster
from tests.cluster.files import write
from tests.e2e.sites import RESTRICTED, ROOT

CHART = ROOT / "helm/fedjobs-operator"
RELEASE = "fedjobs"
OPERATOR_NAMESPACE = "fedjobs-system"
AUTHORITY_NAMESPACE = f"{OPERATOR_NAMESPACE}-authority"
OPERATOR = f"{RELEASE}-operator"
HUB, FRONT_DOOR_SERVICE = f"{RELEASE}-hub", f"{RELEASE}-front-door"

FRONT_DOOR = "fedjobs.test"
"""The name of the front door. Silos in other clusters resolve it by DNS, or their values contain its address."""
ADDRESS = f"{FRONT_DOOR}:443"
_NEW_AUTHORITY = "tests.fedjobs.dev/new-authority"
INSIDE = f"{FRONT_DOOR_SERVICE}.{OPERATOR_NAMESPACE}.svc:443"
"""The address that silos in the federation's own cluster use. This cluster has no DNS record for the front door."""


def values(**hub: Any) -> dict[str, Any]:
    """Returns values of the operator's chart for a test cluster."""
    image = dict(zip(("repository", "tag"), nginx_images.TAG.rsplit(":", 1), strict=True))
    front_door = {"host": FRONT_DOOR, "address": ADDRESS, "image": image}
    return {"image": {"tag": "dev", "pullPolicy": "Never"}, "frontDoor": front_door, "hub": hub}


def install(cluster: Cluster) -> None:
    """Installs operator, hub and front door with this run's images, in a namespace with the restricted standard."""
    kubectl = cluster.kubectl
    kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {OPERATOR_NAMESPACE}}}}}")
    kubectl("label", "namespace", OPERATOR_NAMESPACE, RESTRICTED, "--overwrite")
    _upgrade(cluster)
    load_balancers.balance(cluster, OPERATOR_NAMESPACE, FRONT_DOOR_SERVICE)
    # On a cluster that was kept, the pods still run the images of an earlier run, because the tag is the same.
    restart(cluster)


def restart(cluster: Cluster, *deployments: str) -> None:
    """Deletes the pods of these Deployments, or of all, and waits for the new pods."""
    kinds = [f"deployment/{name}" for name in deployments] or ["deployment"]
    cluster.kubectl("rollout", "restart", *kinds, f"--namespace={OPERATOR_NAMESPACE}")
    wait_until_rolled_out(cluster)


def wait_until_rolled_out(cluster: Cluster) -> None:
    """Waits for the rollout of every Deployment of the federation's own components."""
    cluster.kubectl("rollout", "status", "deployment", f"--namespace={OPERATOR_NAMESPACE}", "--timeout=240s")


def scale(cluster: Cluster, deployment: str, replicas: int) -> None:
    """Scales a Deployment to this number of pods, and waits for them."""
    where = f"--namespace={OPERATOR_NAMESPACE}"
    cluster.kubectl("scale", "deployment", deployment, f"--replicas={replicas}", where)
    cluster.kubectl("rollout", "status", "deployment", deployment, where, "--timeout=240s")
    if not replicas:
        component = deployment.removeprefix(f"{RELEASE}-")
        gone = ("wait", "pods", f"--selector=app.kubernetes.io/component={component}", "--for=delete", "--timeout=120s")
        cluster.kubectl(*gone, where)


def set_lifetimes(cluster: Cluster, **seconds: int) -> None:
    """Sets the lifetimes of the hub's certificates until the next `install`. The operator gets a new certificate."""
    _upgrade(cluster, lifetimes=seconds)
    wait_until_rolled_out(cluster)
    restart(cluster, OPERATOR)


def note_new_authority(cluster: Cluster) -> None:
    """Records that the certificates of all enrolled silos come from an authority that is being replaced."""
    cluster.kubectl("annotate", "namespace", OPERATOR_NAMESPACE, f"{_NEW_AUTHORITY}=true", "--overwrite")


def has_new_authority(cluster: Cluster) -> bool:
    """Returns whether an earlier run on this cluster replaced the authority."""
    namespace = cluster.kubectl("get", "namespace", OPERATOR_NAMESPACE, "-o", "jsonpath={.metadata.annotations}")
    return _NEW_AUTHORITY in namespace


def forget_new_authority(cluster: Cluster) -> None:
    """Removes the record, because all silos have enrolled again."""
    cluster.kubectl("annotate", "namespace", OPERATOR_NAMESPACE, f"{_NEW_AUTHORITY}-")


def _upgrade(cluster: Cluster, **hub: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = str(write(Path(folder) / "values.yaml", yaml.safe_dump(values(**hub))))
        # no --wait: the load balancer gets its address later
        cluster.helm("upgrade", "--install", RELEASE, str(CHART), "-n", OPERATOR_NAMESPACE, "-f", file)
