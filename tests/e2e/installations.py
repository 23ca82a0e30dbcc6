"""The federation's own side, installed by its chart: operator, hub, front door."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import load_balancers, nginx_images
from tests.cluster.clusters import Cluster
from tests.cluster.files import write
from tests.cluster.local import LocalCluster
from tests.e2e.sites import RESTRICTED, ROOT

CHART = ROOT / "helm/fedjobs-operator"
RELEASE = "fedjobs"
OPERATOR_NAMESPACE = "fedjobs-system"
OPERATOR = f"{RELEASE}-operator"
HUB, FRONT_DOOR_SERVICE = f"{RELEASE}-hub", f"{RELEASE}-front-door"

FRONT_DOOR = "fedjobs.test"
"""Its name, which silos of other clusters find by DNS, or are told an address for."""
ADDRESS = f"{FRONT_DOOR}:443"
_NEW_AUTHORITY = "tests.fedjobs.dev/new-authority"
INSIDE = f"{FRONT_DOOR_SERVICE}.{OPERATOR_NAMESPACE}.svc:443"
"""What silos in the federation's own cluster dial: there is no DNS record there."""


def values(cluster: Cluster, **hub: Any) -> dict[str, Any]:
    """Of the operator's chart on a test cluster."""
    front_door: dict[str, Any] = {
        "host": FRONT_DOOR,
        "address": ADDRESS,
        "image": dict(zip(("repository", "tag"), nginx_images.TAG.rsplit(":", 1), strict=True)),
    }
    if isinstance(cluster, LocalCluster):  # elsewhere names are answered where the chart expects it
        front_door["resolver"] = cluster.network.node
    return {"image": {"tag": "dev", "pullPolicy": "Never"}, "frontDoor": front_door, "hub": hub}


def install(cluster: Cluster) -> None:
    """Have operator, hub and front door of this run's images, in a namespace of the restricted standard."""
    kubectl = cluster.kubectl
    kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {OPERATOR_NAMESPACE}}}}}")
    kubectl("label", "namespace", OPERATOR_NAMESPACE, RESTRICTED, "--overwrite")
    _upgrade(cluster)
    load_balancers.balance(cluster, OPERATOR_NAMESPACE, FRONT_DOOR_SERVICE)
    # on a cluster that was kept, pods are of the images of an earlier run: their tag is the same
    restart(cluster)


def restart(cluster: Cluster, *deployments: str) -> None:
    """End the pods of these Deployments, or of all, and wait for the next ones."""
    kinds = [f"deployment/{name}" for name in deployments] or ["deployment"]
    cluster.kubectl("rollout", "restart", *kinds, f"--namespace={OPERATOR_NAMESPACE}")
    wait_until_rolled_out(cluster)


def wait_until_rolled_out(cluster: Cluster) -> None:
    """Wait for every Deployment of the federation's own side."""
    cluster.kubectl("rollout", "status", "deployment", f"--namespace={OPERATOR_NAMESPACE}", "--timeout=240s")


def scale(cluster: Cluster, deployment: str, replicas: int) -> None:
    """Have so many pods of a Deployment, and wait for them."""
    where = f"--namespace={OPERATOR_NAMESPACE}"
    cluster.kubectl("scale", "deployment", deployment, f"--replicas={replicas}", where)
    cluster.kubectl("rollout", "status", "deployment", deployment, where, "--timeout=240s")
    if not replicas:
        component = deployment.removeprefix(f"{RELEASE}-")
        gone = ("wait", "pods", f"--selector=app.kubernetes.io/component={component}", "--for=delete", "--timeout=120s")
        cluster.kubectl(*gone, where)


def set_lifetimes(cluster: Cluster, **seconds: int) -> None:
    """Set the lifetimes of what the hub issues, until the next `install`; the operator gets a new certificate."""
    _upgrade(cluster, lifetimes=seconds)
    wait_until_rolled_out(cluster)
    restart(cluster, OPERATOR)


def note_new_authority(cluster: Cluster) -> None:
    """Note that silos that enrolled so far have certificates of an authority that is being replaced."""
    cluster.kubectl("annotate", "namespace", OPERATOR_NAMESPACE, f"{_NEW_AUTHORITY}=true", "--overwrite")


def has_new_authority(cluster: Cluster) -> bool:
    """Whether an earlier run on this cluster replaced the authority."""
    namespace = cluster.kubectl("get", "namespace", OPERATOR_NAMESPACE, "-o", "jsonpath={.metadata.annotations}")
    return _NEW_AUTHORITY in namespace


def forget_new_authority(cluster: Cluster) -> None:
    """All silos enrolled again."""
    cluster.kubectl("annotate", "namespace", OPERATOR_NAMESPACE, f"{_NEW_AUTHORITY}-")


def _upgrade(cluster: Cluster, **hub: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = str(write(Path(folder) / "values.yaml", yaml.safe_dump(values(cluster, **hub))))
        # not --wait: it would wait for the address of the load balancer, which comes later
        cluster.helm("upgrade", "--install", RELEASE, str(CHART), "-n", OPERATOR_NAMESPACE, "-f", file)
