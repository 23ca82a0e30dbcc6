"""The CRDs on an API server: installation, `kubectl explain`, `kubectl get` and the status subresource."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fedjobs_api.conditions import Condition, JobCondition
from fedjobs_api.crds.files import FOLDER
from fedjobs_api.silos import SiloStatus
from fedjobs_api.statuses import (
    ConfigMapRef,
    CoordinatorAddress,
    FederatedJobStatus,
    JobPhase,
    Resolved,
    Result,
    SiloRow,
)
from fedjobs_common.jobs.statuses import SiloState

from tests.api.jobs import a_job
from tests.cluster.api_servers import ApiServer
from tests.crds.conftest import CRDS
from tests.crds.requests import Jobs, Refused

pytestmark = pytest.mark.api_server

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/job.yaml"))
NOW = "2026-01-31T12:00:00Z"
STATUS = FederatedJobStatus(
    observed_generation=1,
    phase=JobPhase.RUNNING,
    completed_rounds=7,
    total_rounds=20,
    metrics={"train/accuracy": "0.912"},
    ready_silos=3,
    total_silos=4,
    silos=[
        SiloRow(name="hospital-a", state=SiloState.WORKING, device="cpu", clients=3, restarts=0),
        SiloRow(name="hospital-b", state=SiloState.LOST, reason="Unavailable", message="not heard of since 12:00"),
    ],
    attempt=2,
    restarts=1,
    coordinator_generation=2,
    computation_digest="ab" * 32,
    resolved=Resolved(config_map_ref=ConfigMapRef(name="digits-resolved"), digest="cd" * 32, generation=1),
    coordinator=CoordinatorAddress(
        address="j-1.team.svc:8443", server_name="j-1", job_name="digits-2", pod_name="digits-2-x"
    ),
    result=Result(uri="s3://models/digits", digest="ef" * 32),
    start_time=NOW,
    completion_time=NOW,
    conditions=[
        Condition(
            type=JobCondition.ACCEPTED,
            status="True",
            observed_generation=1,
            last_transition_time=NOW,
            reason="Resolved",
            message="",
        )
    ],
)


def test_client_side_apply_installs_the_crds_and_a_second_one_changes_nothing(server: ApiServer) -> None:
    again = server.kubectl("apply", *(f"-f={FOLDER / name}" for name in ("federatedjobs.yaml", "silos.yaml")))
    assert re.findall(r"(\S+) unchanged", again) == [
        f"customresourcedefinition.apiextensions.k8s.io/{name}" for name in CRDS
    ]
    for name in CRDS:
        conditions = server.kubectl("get", "crd", name, "-o", "jsonpath={.status.conditions[*].type}")
        assert set(conditions.split()) == {"Established", "NamesAccepted"}  # but not NonStructuralSchema


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_apply(server: ApiServer, api_namespace: str, example: Path) -> None:
    applied = server.kubectl("apply", "-n", api_namespace, "-f", str(example))
    assert applied.startswith(f"federatedjob.fedjobs.dev/{example.parent.name} created")


def test_a_status_is_returned_unchanged(jobs: Jobs) -> None:
    jobs.create(a_job())
    written = jobs.write_status("digits", STATUS.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert FederatedJobStatus.model_validate(written["status"]) == STATUS


def test_spec_and_status_are_written_separately(jobs: Jobs) -> None:
    assert "status" not in jobs.create(a_job() | {"status": {"phase": "Complete"}})
    jobs.write_status("digits", {"phase": "Running"})
    assert jobs.change("digits", {"status": {"phase": "Complete"}, "spec": {"suspend": True}})["status"] == {
        "phase": "Running"
    }


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"phase": "Dreaming"}, "status.phase"),
        ({"completedRounds": 1.5}, "status.completedRounds"),
        ({"metrics": {"loss": 0.1}}, "status.metrics.loss"),
        ({"startTime": "yesterday"}, "status.startTime"),
        ({"conditions": [{"type": "Accepted"}]}, "status.conditions[0].reason"),
    ],
)
def test_a_status_is_validated_too(jobs: Jobs, status: dict[str, object], field: str) -> None:
    jobs.create(a_job())
    with pytest.raises(Refused) as caught:
        jobs.write_status("digits", status)
    assert caught.value.of(field)


def test_kubectl_get_shows_the_state_in_one_line(server: ApiServer, jobs: Jobs) -> None:
    jobs.create(a_job())
    jobs.write_status("digits", STATUS.model_dump(mode="json", by_alias=True, exclude_none=True))
    header, row = server.kubectl("get", "fj", "-n", jobs.namespace).splitlines()
    assert header.split() == ["NAME", "PHASE", "ROUND", "READY", "SILOS", "RESTARTS", "AGE"]
    assert row.split()[:-1] == ["digits", "Running", "7", "3", "4", "1"]
    wide = server.kubectl("get", "fedjobs", "-n", jobs.namespace, "-o", "wide")
    assert "s3://models/digits" in wide


def test_kubectl_explain_reads_like_documentation(server: ApiServer) -> None:
    page = " ".join(server.kubectl("explain", "federatedjob.spec.cohort").split())
    assert "How many silos take part in a round. A round starts as soon as goalSilos silos are ready." in page
    assert "minSilos <integer> The minimum number of silos" in page
    assert "roundDeadlineSeconds <integer> The number of seconds that a round waits for" in page


@pytest.mark.parametrize("path", ["federatedjob", "federatedjob.spec", "federatedjob.status.silos", "silo.status"])
def test_kubectl_explain_describes_every_field(server: ApiServer, path: str) -> None:
    assert "<no description>" not in server.kubectl("explain", path)


def test_a_silo_can_be_suspended_and_has_a_status(server: ApiServer) -> None:
    manifest = "{apiVersion: fedjobs.dev/v1alpha1, kind: Silo, metadata: {name: of-crds, labels: {network: of-crds}}}"
    server.kubectl("apply", "-f", "-", stdin=manifest)
    status = SiloStatus(last_heartbeat_time=NOW, datasets=["digits"], versions={"fedjobs": "0.1.0"})
    patch = json.dumps({"status": status.model_dump(mode="json", by_alias=True, exclude_none=True)})
    server.kubectl("patch", "silo", "of-crds", "--subresource=status", "--type=merge", "-p", patch)
    shown = "jsonpath={.items[*].spec}{.items[*].status.datasets}"
    assert server.kubectl("get", "silos", "-l", "network=of-crds", "-o", shown) == '{"suspend":false}["digits"]'
    server.kubectl("delete", "silo", "of-crds")
