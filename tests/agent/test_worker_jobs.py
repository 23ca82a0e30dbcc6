"""Manifests of workers, and that a real API server accepts them."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.planning import names
from fedjobs_agent.planning.planner import NO_GPU_FREE, Start
from fedjobs_agent.workers import worker_jobs
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_worker.silo_files import SiloFile

from tests.agent.builders import SILO, an_invitation
from tests.cluster.api_servers import ApiServer

CONFIG = AgentConfig.model_validate(
    {
        "silo": SILO,
        "image": "worker:1",
        "gpuImage": "worker-gpu:1",
        "data": {"volume": {"persistentVolumeClaim": {"claimName": "records"}}},
        "dialAddress": "fedjobs.example.org:443",
        "sessionResources": {"limits": {"memory": "4Gi"}},
    }
)
FILE = SiloFile.model_validate(
    {
        "silo": SILO,
        "runner": {
            "gpu": {
                "resourceName": "example.org/gpu",
                "nodeSelector": {"accelerator": "yes"},
                "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
            },
            "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
        },
    }
)
HUB = HubLink("fedjobs.example.org:443", "fedjobs.example.org")
OWNER = worker_jobs.owned_by_deployment({"metadata": {"name": "fedjobs-silo", "uid": "d"}})
STARTS = {
    "cpu": Start(an_invitation().received),
    "no gpu was free": Start(an_invitation().preferring_gpu().received, device_note=NO_GPU_FREE),
    "gpu": Start(an_invitation().preferring_gpu(2).received, gpu=True),
}


def manifest(start: Start, config: AgentConfig = CONFIG) -> dict[str, Any]:
    return worker_jobs.worker_job(start, config, FILE, HUB, "hospital", OWNER)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in [*pod["initContainers"], *pod["containers"]] if each["name"] == name]
    return dict(found)


def test_the_runner_has_only_a_socket() -> None:
    pod = pod_of(manifest(STARTS["cpu"]))
    runner, session = container(pod, "runner"), container(pod, "session")
    assert {mount["name"] for mount in runner["volumeMounts"]} == {"socket", "runner-tmp"}
    assert {"invitation", "silo", "data", "socket", "state"} <= {mount["name"] for mount in session["volumeMounts"]}
    assert runner["securityContext"]["runAsUser"] != session["securityContext"]["runAsUser"]
    assert runner["restartPolicy"] == "Always"
    assert pod["automountServiceAccountToken"] is False


def test_the_audit_container_has_only_the_sessions_entries_and_prints_nothing_else() -> None:
    pod = pod_of(manifest(STARTS["gpu"]))
    audit, session = container(pod, "audit"), container(pod, "session")
    assert audit["volumeMounts"] == [{"name": "audit", "mountPath": "/audit", "readOnly": True}]
    assert [each["name"] for each in (*pod["initContainers"], *pod["containers"]) if "audit" in mounted(each)] == [
        "audit", "session"
    ]  # fmt: skip
    assert audit["command"] == ["python", "-m", "fedjobs_worker.consent.audit_printer"]
    options = dict(itertools.pairwise(session["args"]))
    assert [options["--audit"]] == audit["args"]
    assert options["--audit"].startswith("/audit/")
    assert "env" not in audit


def test_the_audit_container_ends_after_the_session_and_before_the_runner() -> None:
    """The kubelet stops sidecars after the other containers, the last one first."""
    pod = pod_of(manifest(STARTS["cpu"]))
    assert [(each["name"], each["restartPolicy"]) for each in pod["initContainers"]] == [
        ("runner", "Always"), ("audit", "Always")
    ]  # fmt: skip


def test_a_quota_on_limits_does_not_exclude_the_audit_container() -> None:
    resources = container(pod_of(manifest(STARTS["cpu"])), "audit")["resources"]
    assert set(resources["limits"]) == set(resources["requests"]) == {"cpu", "memory"}


def mounted(container: dict[str, Any]) -> set[str]:
    return {mount["name"] for mount in container["volumeMounts"]}


def test_data_and_invitation_are_read_only() -> None:
    pod = pod_of(manifest(STARTS["cpu"]))
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert all(mounts[name]["readOnly"] for name in ("data", "invitation", "silo"))
    (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
    assert data["persistentVolumeClaim"] == {"claimName": "records", "readOnly": True}
    assert CONFIG.data is not None
    assert "readOnly" not in CONFIG.data.volume["persistentVolumeClaim"]


def test_the_session_gets_its_certificate_from_the_hub() -> None:
    job = manifest(STARTS["cpu"])
    pod = pod_of(job)
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "invitation"]
    assert volume["secret"]["secretName"] == job["metadata"]["name"]
    arguments = pod["containers"][0]["args"]
    options = dict(itertools.pairwise(arguments))
    assert (options["--hub"], options["--hub-name"]) == (HUB.address, HUB.front_door)
    assert (options["--hub-token"], options["--hub-trust"]) == ("/invitation/token", "/invitation/ca.crt")
    assert "--tls" not in arguments


def test_only_the_session_uses_the_proxy() -> None:
    proxy = {"url": "http://proxy.example:3128", "noProxy": "minio.local"}
    pod = pod_of(manifest(STARTS["cpu"], AgentConfig.model_validate({"silo": SILO, "image": "i", "proxy": proxy})))
    session, runner = pod["containers"][0], pod["initContainers"][0]
    assert {"name": "https_proxy", "value": "http://proxy.example:3128"} in session["env"]
    assert {"name": "no_proxy", "value": "minio.local"} in session["env"]
    assert "proxy" not in json.dumps(runner["env"])


def test_the_approvals_are_mounted_as_an_optional_volume() -> None:
    pod = pod_of(manifest(STARTS["cpu"]))
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "approvals"]
    assert volume["configMap"] == {"name": "fedjobs-approvals", "optional": True, "defaultMode": 0o444}
    assert "approvals" not in {mount["name"] for mount in pod["initContainers"][0]["volumeMounts"]}


def test_only_the_runner_has_the_gpu_and_the_silo_chooses_the_node() -> None:
    pod = pod_of(manifest(STARTS["gpu"]))
    runner, session = pod["initContainers"][0], pod["containers"][0]
    assert runner["resources"]["limits"] == {"memory": "8Gi", "ephemeral-storage": "4Gi", "example.org/gpu": "2"}
    requests = {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "64Mi", "example.org/gpu": "2"}
    assert runner["resources"]["requests"] == requests
    assert "example.org/gpu" not in json.dumps(session)
    assert pod["nodeSelector"] == {"accelerator": "yes"}
    assert pod["tolerations"][0]["key"] == "gpu"
    assert (runner["image"], session["image"]) == ("worker-gpu:1", "worker:1")


def test_without_a_gpu_only_the_device_note_is_left() -> None:
    pod = pod_of(manifest(STARTS["no gpu was free"]))
    assert not {"nodeSelector", "tolerations"} & set(pod)
    assert "example.org/gpu" not in json.dumps(pod)
    assert pod["initContainers"][0]["image"] == "worker:1"
    arguments = pod["containers"][0]["args"]
    assert arguments[arguments.index("--device-note") + 1] == NO_GPU_FREE
    assert "--device-note" not in pod_of(manifest(STARTS["cpu"]))["containers"][0]["args"]


def test_a_worker_is_found_by_its_labels_and_knows_its_invitation() -> None:
    job = manifest(STARTS["gpu"])
    labels = {f"{key}={value}" for key, value in job["metadata"]["labels"].items()}
    assert set(names.workers_of(SILO).split(",")) <= labels
    assert job["spec"]["template"]["metadata"]["labels"] == job["metadata"]["labels"]
    annotations = {"fedjobs.dev/invitation-id": an_invitation().id, "fedjobs.dev/gpu": "true"}
    assert job["metadata"]["annotations"] == annotations
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "fedjobs-silo", "d")


def test_the_silos_limits_are_requests_too() -> None:
    session = pod_of(manifest(STARTS["cpu"]))["containers"][0]
    assert session["resources"] == {"limits": {"memory": "4Gi"}, "requests": {"cpu": "50m", "memory": "4Gi"}}


@pytest.mark.parametrize(
    ("resources", "limits", "memory"),
    [
        ({}, {"memory": "8Gi", "ephemeral-storage": "4Gi"}, "768Mi"),
        ({"limits": {"memory": "2Gi"}}, {"memory": "2Gi", "ephemeral-storage": "4Gi"}, "2Gi"),
        # A limit below the request would be refused.
        ({"requests": {"memory": "16Gi"}}, {"ephemeral-storage": "4Gi"}, "16Gi"),
    ],
)
def test_the_runner_has_limits_by_default(resources: dict[str, Any], limits: dict[str, str], memory: str) -> None:
    file = SiloFile.model_validate({"silo": SILO, "runner": {"resources": resources}})
    pod = pod_of(worker_jobs.worker_job(STARTS["cpu"], CONFIG, file, HUB, "hospital", OWNER))
    runner = pod["initContainers"][0]["resources"]
    assert runner["limits"] == limits
    assert runner["requests"] == {"cpu": "200m", "memory": memory, "ephemeral-storage": "64Mi"}
    volumes = {volume["name"]: volume.get("emptyDir") for volume in pod["volumes"]}
    assert (volumes["socket"], volumes["runner-tmp"]) == ({"sizeLimit": "1Mi"}, {"sizeLimit": "2Gi"})


def test_the_runner_is_confined_by_its_container() -> None:
    pod = pod_of(manifest(STARTS["cpu"]))
    assert pod["shareProcessNamespace"] is False
    assert not {"hostPID", "hostIPC", "hostNetwork", "runtimeClassName"} & set(pod)
    assert pod["initContainers"][0]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65533,
        "runAsGroup": 65532,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_pod_has_the_runtime_class_of_the_silo() -> None:
    config = CONFIG.model_copy(update={"runtime_class_name": "gvisor"})
    assert pod_of(manifest(STARTS["cpu"], config))["runtimeClassName"] == "gvisor"


@pytest.mark.api_server
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_the_restricted_standard_admits_the_pod_with_no_unknown_field(
    api_server: ApiServer, api_namespace: str, start: Start
) -> None:
    api_server.kubectl("label", "namespace", api_namespace, "pod-security.kubernetes.io/enforce=restricted")
    job = manifest(start)
    job["metadata"]["namespace"] = api_namespace
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker", "namespace": api_namespace},
        "spec": copy.deepcopy(pod_of(job)),
    }
    for each in (job, pod):
        created = api_server.kubectl(
            "create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-", stdin=json.dumps(each)
        )
        assert json.loads(created)["kind"] == each["kind"]
    refused = copy.deepcopy(pod)
    refused["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    answer = api_server.kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(refused))
    assert "violates PodSecurity" in answer.stderr
