"""A whole cluster on this machine: what pods can do in it, and what tests can do with it."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster import local
from tests.cluster.clusters import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import require_local_clusters
from tests.cluster.local import LocalCluster
from tests.cluster.opening import chosen, opened
from tests.cluster.readiness import wait_until
from tests.cluster.recognized import NAME, NAMESPACE, mark
from tests.cluster.scratch_images import PROBE, write_archive

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("clusters")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster with the probe's image."""
    require_local_clusters()
    name = f"test-{uuid.uuid4().hex[:6]}"
    cluster = local.up(name)
    try:
        cluster.load_images([write_archive(PROBE, cluster.bin / "probe", tmp_path_factory.mktemp("images") / "probe")])
        yield cluster
    finally:
        local.down(name)


@pytest.fixture
def namespace(cluster: LocalCluster) -> str:
    """A namespace that enforces the restricted standard."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    return name


def a_pod(namespace: str, *tries: str, claim: str | None = None, **spec: Any) -> dict[str, Any]:
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
            **spec,
        },
    }


def a_claim(namespace: str, storage_class: str | None = None, mode: str = "ReadWriteOnce") -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    metadata = {"name": "data", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def wait_for_output(cluster: Cluster, namespace: str) -> str:
    """Waits until the probe ends, and returns its output. Fails with the output if the probe fails."""
    asked = ("get", "pod", "probe", "-n", namespace, "-o", "jsonpath={.status.phase}")
    wait_until("the pod ends", lambda: cluster.kubectl(*asked) in {"Succeeded", "Failed"})
    said = cluster.kubectl("logs", "probe", "-n", namespace)
    assert cluster.kubectl(*asked) == "Succeeded", said
    return said


def test_a_restricted_pod_finds_services_by_name_and_reaches_them_and_this_machine(
    cluster: LocalCluster, namespace: str
) -> None:
    with socket.create_server((cluster.network.machine, 0)) as server:
        machine = f"{cluster.machine_address}:{server.getsockname()[1]}"
        tries = ("resolve", "kubernetes.default.svc.cluster.local", "dial", "kubernetes.default.svc:443")
        cluster.kubectl.apply(yaml.safe_dump(a_pod(namespace, *tries, "dial", machine)))
        assert wait_for_output(cluster, namespace).count("done") == 3


@pytest.mark.parametrize("mode", ["ReadWriteOnce", "ReadWriteOncePod"])
def test_a_pod_of_any_user_writes_to_a_claim_of_the_default_class(
    cluster: LocalCluster, namespace: str, mode: str
) -> None:
    manifests = [a_claim(namespace, mode=mode), a_pod(namespace, "write", "/data/file", claim="data")]
    cluster.kubectl.apply(yaml.safe_dump_all(manifests))
    assert "done" in wait_for_output(cluster, namespace)


def test_a_claim_of_a_missing_class_stays_unbound(cluster: LocalCluster, namespace: str) -> None:
    cluster.kubectl.apply(yaml.safe_dump(a_claim(namespace, "no-such-class")))
    events = ("get", "events", "-n", namespace, "-o", "jsonpath={.items[*].reason}")
    wait_until("the controller has processed the claim", lambda: "ProvisioningFailed" in cluster.kubectl(*events))
    phase = cluster.kubectl("get", "pvc", "data", "-n", namespace, "-o", "jsonpath={.status.phase}")
    assert phase == "Pending"


def test_this_machine_reaches_pods_through_their_service(cluster: LocalCluster, namespace: str) -> None:
    pod = a_pod(namespace, "listen", ":8080", "wait")
    ports = {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": "probe"}}
    metadata = {"name": "probe", "namespace": namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports}
    cluster.kubectl.apply(yaml.safe_dump_all([pod, service]))
    address = cluster.kubectl("get", "service", "probe", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    wait_until("the service responds", lambda: can_connect(address, 80))


def can_connect(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def test_a_killed_container_ends_as_one_that_the_kernel_killed(cluster: LocalCluster, namespace: str) -> None:
    cluster.kubectl.apply(yaml.safe_dump(a_pod(namespace, "wait")))
    cluster.kubectl("wait", "pod/probe", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    cluster.kill_container(namespace, "probe", "probe")
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    asked = ("get", "pod", "probe", "-n", namespace, "-o", code)
    wait_until("the container has ended", lambda: cluster.kubectl(*asked) != "")
    assert cluster.kubectl(*asked) == "137"
    with pytest.raises(ClusterError, match="does not run"):
        cluster.kill_container(namespace, "probe", "probe")


def test_a_declared_gpu_is_scheduled_once(cluster: LocalCluster, namespace: str) -> None:
    cluster.declare_gpus(1)
    try:
        pods = [a_pod(namespace, "wait"), a_pod(namespace, "wait")]
        for name, pod in zip(("first", "second"), pods, strict=True):
            pod["metadata"]["name"] = name
            pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
            cluster.kubectl.apply(yaml.safe_dump(pod))
            condition = "Ready" if name == "first" else "PodScheduled=false"
            cluster.kubectl("wait", f"pod/{name}", "-n", namespace, f"--for=condition={condition}", "--timeout=60s")
    finally:
        cluster.declare_gpus(0)


def test_the_kubeconfig_refers_to_the_cluster_and_an_unmarked_cluster_is_refused(
    cluster: LocalCluster,
) -> None:
    assert opened(cluster.kubeconfig) == chosen(str(cluster.kubeconfig)) == cluster
    cluster.kubectl("delete", "configmap", NAME, "-n", NAMESPACE)
    try:
        with pytest.raises(ClusterError, match="is not a test cluster"):
            opened(cluster.kubeconfig)
    finally:
        mark(cluster.kubectl, cluster.name, local.PROVIDER)


def test_requests_are_in_the_audit_log(cluster: LocalCluster) -> None:
    assert cluster.audit_log is not None
    first = json.loads(cluster.audit_log.read_text().splitlines()[0])
    assert {"verb", "user", "responseStatus"} <= first.keys()
