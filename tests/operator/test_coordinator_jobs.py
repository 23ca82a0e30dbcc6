"""The manifest of an attempt: the coordinator's Job and its pod."""

from __future__ import annotations

from typing import Any

import pytest
from fedjobs_operator.children import config_maps

from tests.operator.builders import a_job
from tests.operator.manifests import accepted, the_container, the_job, the_pod, volume


def test_a_pod_meets_the_restricted_standard() -> None:
    pod, container = the_pod(), the_container()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"}
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= allowed
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not any("hostPort" in port for port in container["ports"])


def test_a_pod_has_no_token_and_a_numeric_user() -> None:
    assert the_pod()["automountServiceAccountToken"] is False
    context = the_pod()["securityContext"]
    assert {context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {65532}


def test_a_coordinator_job_creates_no_second_pod_after_a_crash_and_waits_for_the_first_to_end() -> None:
    spec = the_job()["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (0, "Failed")
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_jobs_failure_policy_distinguishes_exit_codes() -> None:
    rules = the_job()["spec"]["podFailurePolicy"]["rules"]
    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert [(rule["action"], rule["onExitCodes"]["values"]) for rule in rules[1:]] == [
        ("Ignore", [4, 74, 75]),  # volume in use, storage unavailable, suspended: these are no crashes
        ("FailJob", [1]),
    ]


def test_an_attempt_is_a_label_of_job_and_pod() -> None:
    job = the_job(attempt=3)
    assert job["metadata"]["name"] == "digits-coordinator-3"
    for metadata in (job["metadata"], job["spec"]["template"]["metadata"]):
        assert metadata["labels"]["fedjobs.dev/attempt"] == "3"


def test_the_coordinators_job_has_the_queues_label_only_if_the_federated_job_has_it() -> None:
    assert "kueue.x-k8s.io/queue-name" not in the_job()["metadata"]["labels"]
    assert the_job(a_job().in_a_queue())["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"


def test_the_coordinator_gets_all_paths_and_addresses() -> None:
    arguments = the_container()["args"]
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert given == {
        "--job": "/job/job.json",
        "--job-digest": config_maps.digest(accepted(a_job()).resolved),
        "--dir": "/state",
        "--hub": "fedjobs-hub.fedjobs-system.svc:8444",
        "--hub-name": "enrol.fedjobs.example.org",
        "--hub-credentials": "/hub",
        "--result": "/state/result",
        "--listen": "0.0.0.0:8443",
        "--metrics": "0.0.0.0:9090",
        "--termination-message": "/dev/termination-log",
    }
    paths = {mount["mountPath"] for mount in the_container()["volumeMounts"]}
    assert paths == {"/job", "/hub", "/state", "/tmp"}  # noqa: S108


def test_a_result_for_object_storage_comes_with_its_credentials() -> None:
    job = a_job().with_("spec.output", {"uri": "s3://models/digits", "secretRef": {"name": "s3"}})
    assert the_container(job)["args"][-4:] == [
        "--output-uri",
        "s3://models/digits",
        "--output-options",
        "/output-options/options.json",
    ]
    secret = volume(job, "output-options")["secret"]
    assert secret["secretName"] == "s3"
    assert secret["items"] == [{"key": "options.json", "path": "options.json"}]  # no other key of the Secret


@pytest.mark.parametrize(("path", "uri"), [("digits/v1", "file:///output/digits/v1"), (None, "file:///output/")])
def test_a_result_for_a_claim(path: str | None, uri: str) -> None:
    job = a_job().writing_to_the_claim("models", path)
    assert the_container(job)["args"][-2:] == ["--output-uri", uri]
    assert volume(job, "output")["persistentVolumeClaim"]["claimName"] == "models"


def test_a_custom_program_is_mounted() -> None:
    program = {"entrypoint": "training:main", "source": {"configMap": {"name": "program"}}}
    assert volume(a_job().with_("spec.program", program), "program")["configMap"] == {"name": "program"}


def test_the_pod_uses_the_jobs_scheduling_fields() -> None:
    toleration = {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}
    coordinator = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [toleration],
        "resources": {"limits": {"memory": "8Gi"}},
    }
    job = a_job().with_("spec.coordinator", coordinator)
    assert (the_pod(job)["nodeSelector"], the_pod(job)["tolerations"]) == ({"disk": "ssd"}, [toleration])
    assert the_container(job)["resources"]["limits"] == {"memory": "8Gi"}
    assert the_container(job)["resources"]["requests"]  # the defaults


@pytest.mark.parametrize(
    ("given", "requests"),
    [
        ({}, {"cpu": "250m", "memory": "1Gi"}),
        ({"limits": {"memory": "512Mi"}}, {"cpu": "250m", "memory": "512Mi"}),
        ({"requests": {"memory": "2Gi"}}, {"cpu": "250m", "memory": "2Gi"}),
    ],
    ids=["nothing", "a limit below what is usual", "a request"],
)
def test_a_request_is_never_above_the_jobs_own_limit(given: dict[str, Any], requests: dict[str, str]) -> None:
    """Otherwise the API server would refuse the pod."""
    resources = the_container(a_job().with_("spec.coordinator", {"resources": given}))["resources"]
    assert resources == {**given, "requests": requests}
