"""Jobs from start to end with a real operator, API server and Job controller. The test acts as the kubelet."""

from __future__ import annotations

import json

import pytest
from fedjobs_common.jobs.statuses import FinalWord, Phase, ResultLocation
from fedjobs_protocol.hub.invitations import Invitation

from tests.cluster.readiness import wait_until
from tests.operator.builders import TRUST, a_written_job
from tests.operator.processes import OperatorProcess
from tests.operator.teams import Body, Team

pytestmark = [pytest.mark.api_server, pytest.mark.processes, pytest.mark.usefixtures("operator")]

COMPLETE = FinalWord(
    phase=Phase.COMPLETE,
    round=20,
    rounds=20,
    computation="cd" * 32,
    result=ResultLocation(uri="s3://models/digits", digest="ab" * 32),
)
TO_S3 = {"uri": "s3://models/digits"}
DELETED = {"storage": {"whenDeleted": "Delete"}}


def a_job(name: str = "digits", **spec: object) -> Body:
    """Returns a job that deletes all its objects with it."""
    return a_written_job(**({"output": TO_S3, "coordinator": DELETED} | spec)) | {"metadata": {"name": name}}


def test_a_job_that_is_applied_gets_all_its_children(team: Team) -> None:
    name = team.apply(a_job())
    team.wait_for(name, "Accepted", reason="Resolved")
    team.ready(name)
    uid = (team.get("federatedjobs", name) or {})["metadata"]["uid"]
    children = team.children(name)
    assert set(children) == {
        "configmaps/digits-resolved",
        "jobs/digits-coordinator-1",
        f"networkpolicies/j-{uid.replace('-', '')[:16]}",
        f"persistentvolumeclaims/{team.ref(name).claim}",
        "configmaps/digits-hub",
        f"services/j-{uid.replace('-', '')[:16]}",
    }
    for child in children.values():
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("FederatedJob", uid, True)
    status = team.status(name)
    assert (status["phase"], status["attempt"]) == ("Starting", 1)
    assert (status["readySilos"], status["totalSilos"]) == (0, 2)
    document = json.loads(children["configmaps/digits-resolved"]["data"]["job.json"])
    assert (document["uid"], document["silos"]) == (uid, ["hospital-a", "hospital-b"])
    assert status["resolved"]["digest"] == children["configmaps/digits-resolved"]["data"]["digest"]


def test_no_object_has_a_finalizer_of_fedjobs(team: Team) -> None:
    name = team.apply(a_job())
    team.wait_for(name, "Accepted")
    of_the_cluster = {"kubernetes.io/pvc-protection", "batch.kubernetes.io/job-tracking"}
    for body in (team.get("federatedjobs", name) or {}, *team.children(name).values()):
        assert set(body["metadata"].get("finalizers", ())) <= of_the_cluster


def test_a_coordinator_that_listens_is_ready(team: Team) -> None:
    name = team.apply(a_job())
    team.ready(name)
    status, ref = team.status(name), team.ref(name)
    assert status["coordinator"]["podName"] == team.pod(name)
    assert [row["name"] for row in status["silos"]] == ["hospital-a", "hospital-b"]
    invitation = Invitation.model_validate_json(json.dumps(status["invitation"]))
    assert (invitation.job_uid, invitation.namespace, invitation.min_silos) == (ref.uid, team.namespace, 2)
    assert invitation.server_name == f"{ref.service}.fedjobs.example.org"
    assert team.routed_to(name) == f"{ref.service}.{team.namespace}.svc.cluster.local"
    config = (team.get("configmaps", "digits-hub") or {})["data"]
    assert config == {"ca.crt": TRUST}
    team.wait_for_event(name, "Normal", "Listening")


def test_a_job_completes_and_reports_the_location_of_its_result(team: Team) -> None:
    name = team.apply(a_job())
    team.ready(name)
    team.end(name, 0, "Completed", word=COMPLETE)
    team.wait_for(name, "Complete", reason="ResultExported")
    status = team.status(name)
    assert (status["phase"], status["completedRounds"], status["computationDigest"]) == ("Complete", 20, "cd" * 32)
    assert status["result"] == {"uri": "s3://models/digits", "digest": "ab" * 32}
    assert status["completionTime"]
    assert "invitation" not in team.status(name)
    assert team.routed_to(name) is None
    team.wait_for_event(name, "Normal", "ResultExported")


def test_a_result_without_output_is_reported_as_a_folder_of_the_jobs_claim(team: Team) -> None:
    name = team.apply(a_job(output={}))
    word = COMPLETE.model_copy(update={"result": ResultLocation(uri="file:///state/result", digest="ab" * 32)})
    team.end(name, 0, "Completed", word=word)
    team.wait_for(name, "Complete")
    assert team.status(name)["result"]["uri"] == f"pvc://{team.namespace}/{team.ref(name).claim}/result"


def test_a_job_whose_time_to_live_has_passed_is_deleted_with_all_objects_but_a_retained_claim(team: Team) -> None:
    name = team.apply(a_job(output={}, coordinator={}, ttlSecondsAfterFinished=1))
    kept = {f"persistentvolumeclaims/{team.ref(name).claim}"}
    team.end(name, 0, "Completed", word=COMPLETE)
    wait_until("the job is deleted", lambda: team.get("federatedjobs", name) is None)
    wait_until("its children are deleted", lambda: set(team.children(name)) == kept)


def test_a_coordinator_out_of_memory_is_restarted(team: Team) -> None:
    name = team.apply(a_job())
    team.ready(name)
    team.end(name, 137, "OOMKilled")
    found = team.wait_for(name, "CoordinatorReady", "False", "OOMKilled")
    assert "spec.coordinator.resources.limits.memory" in found["message"]
    team.pod(name, attempt=2)
    status = team.status(name)
    assert (status["attempt"], status["restarts"], status["coordinator"]["jobName"]) == (2, 1, "digits-coordinator-2")
    team.wait_for_event(name, "Warning", "OOMKilled")
    team.ready(name, attempt=2)


def test_a_coordinator_that_crashes_too_often_fails_the_job(team: Team) -> None:
    name = team.apply(a_job(backoffLimit=1))
    team.end(name, 137)
    team.end(name, 139, attempt=2)
    found = team.wait_for(name, "Failed", reason="BackoffLimitExceeded")
    assert found["message"].startswith("Attempt 2 exited with code 139.")
    assert team.status(name)["restarts"] == 1
    assert "invitation" not in team.status(name)
    assert team.routed_to(name) is None


def test_a_permanent_failure_is_reported_with_its_code_and_not_retried(team: Team) -> None:
    name = team.apply(a_job())
    word = FinalWord(phase=Phase.FAILED, code="UnsupportedComputation", message="No silo can read it.")
    team.end(name, 1, word=word)
    found = team.wait_for(name, "Failed", reason="UnsupportedComputation")
    assert found["message"] == "No silo can read it."
    assert (team.status(name)["phase"], team.status(name)["restarts"]) == ("Failed", 0)
    team.wait_for_event(name, "Warning", "UnsupportedComputation")
    assert [child for child in team.children(name) if child.startswith("jobs/")] == ["jobs/digits-coordinator-1"]


def test_a_suspended_job_can_be_resumed(team: Team) -> None:
    name = team.apply(a_job())
    team.ready(name)
    before = team.uids(name)
    team.edit(name, {"suspend": True})
    team.wait_for(name, "Suspended", reason="SuspendedBySpec")
    wait_until("its pod is deleted", lambda: not team.list("pods", name))
    assert team.status(name)["phase"] == "Suspended"
    ways = {name for name in before if name.startswith(("services/", "networkpolicies/"))}
    assert set(before) - set(team.uids(name)) == ways
    assert "invitation" not in team.status(name)
    assert team.routed_to(name) is None

    team.edit(name, {"suspend": False})
    team.wait_for(name, "Suspended", "False", "Resumed")
    team.ready(name)
    assert (team.status(name)["attempt"], team.status(name)["restarts"]) == (1, 0)
    after = team.uids(name)
    assert set(after) == set(before)
    assert team.invites(name)
    assert after["jobs/digits-coordinator-1"] == before["jobs/digits-coordinator-1"]


def test_a_job_that_is_suspended_from_the_start_has_no_pod_until_it_is_resumed(team: Team) -> None:
    name = team.apply(a_job(suspend=True))
    team.wait_for(name, "Suspended", reason="SuspendedBySpec")
    assert set(team.children(name)) == {"configmaps/digits-resolved"}
    team.edit(name, {"suspend": False})
    team.pod(name)


def test_a_queue_decides_whether_the_coordinator_runs(team: Team) -> None:
    job = a_job()
    job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "research"}
    name = team.apply(job)
    team.pod(name)
    found = team.get("jobs", "digits-coordinator-1") or {}
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    team.call("PATCH", "jobs", "digits-coordinator-1", {"spec": {"suspend": True}})  # as Kueue's webhook does
    team.wait_for(name, "Suspended", reason="SuspendedByQueue")
    assert "startTime" not in team.status(name)
    team.call("PATCH", "jobs", "digits-coordinator-1", {"spec": {"suspend": False}})
    team.wait_for(name, "Suspended", "False", "Resumed")
    team.ready(name)


def test_a_resumed_queued_job_waits_until_its_earlier_coordinator_has_ended(team: Team) -> None:
    job = a_job()
    job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "research"}
    name = team.apply(job)
    team.ready(name)
    pod, first = team.pod(name), team.uids(name)["jobs/digits-coordinator-1"]
    team.call("PATCH", "pods", pod, {"metadata": {"finalizers": ["fedjobs.dev/still-ending"]}})
    team.edit(name, {"suspend": True})
    wait_until("the pod is being deleted", lambda: "deletionTimestamp" in (team.get("pods", pod) or {})["metadata"])
    team.edit(name, {"suspend": False})
    team.wait_for(name, "Suspended", "False", "Resumed")
    assert team.uids(name)["jobs/digits-coordinator-1"] == first
    assert [p["metadata"]["name"] for p in team.list("pods", name)] == [pod]
    team.call("PATCH", "pods", pod, {"metadata": {"finalizers": None}})
    wait_until(
        "the operator creates another Job", lambda: team.uids(name).get("jobs/digits-coordinator-1", first) != first
    )
    team.ready(name)
    assert team.status(name)["restarts"] == 0


def test_an_image_that_cannot_be_pulled_is_a_reason(team: Team) -> None:
    name = team.apply(a_job())
    state = {"waiting": {"reason": "ErrImagePull", "message": "no such image."}}
    team.say_of_pod(team.pod(name), "Pending", state)
    found = team.wait_for(name, "CoordinatorReady", "False", "ImagePullBackOff")
    assert "no such image" in found["message"]
    team.wait_for_event(name, "Warning", "ImagePullBackOff")


def test_storage_that_does_not_bind_becomes_a_reason_until_it_binds(team: Team) -> None:
    name = team.apply(a_job())
    found = team.wait_for(name, "CoordinatorReady", "False", "ClaimNotBound")
    assert "storageClassName" in found["message"]
    team.bind(name)
    team.wait_for(name, "CoordinatorReady", "False", "PodStarting")


def test_a_running_job_that_is_edited_continues_and_reports_the_edit(team: Team) -> None:
    name = team.apply(a_job())
    team.ready(name)
    before = team.uids(name)
    team.edit(name, {"program": {"parameters": {"rounds": 99}}})
    found = team.wait_for(name, "SpecChanged", reason="ChangesIgnored")
    assert "spec.program.parameters.rounds" in found["message"]
    team.wait_for_event(name, "Warning", "ChangesIgnored")
    team.edit(name, {"program": {"parameters": {"rounds": -1}}})
    wait_until(
        "the condition says that the edit is invalid", lambda: "-1" in team.condition(name, "SpecChanged")["message"]
    )
    assert team.uids(name) == before
    assert team.condition(name, "Accepted")["status"] == "True"
    team.edit(name, {"program": {"parameters": {"rounds": 20}}})
    team.wait_for(name, "SpecChanged", "False")


def test_a_deadline_fails_the_job_and_deletes_its_coordinator(team: Team) -> None:
    name = team.apply(a_job(activeDeadlineSeconds=1))
    team.wait_for(name, "Failed", reason="DeadlineExceeded")
    wait_until("its Job is deleted", lambda: team.get("jobs", "digits-coordinator-1") is None)
    wait_until("its pod is deleted", lambda: not team.list("pods", name))
    assert team.status(name)["restarts"] == 0


def test_a_deleted_coordinator_job_is_created_again(team: Team) -> None:
    name = team.apply(a_job())
    team.pod(name)
    before = team.uids(name)["jobs/digits-coordinator-1"]
    team.call("DELETE", "jobs", "digits-coordinator-1", {"propagationPolicy": "Background"})
    wait_until(
        "the operator creates another Job", lambda: team.uids(name).get("jobs/digits-coordinator-1", before) != before
    )
    assert team.status(name)["restarts"] == 0


def test_the_operator_serves_health_and_metrics(team: Team, operator: OperatorProcess) -> None:
    name = team.apply(a_job())
    team.wait_for(name, "Accepted")
    assert operator.get("/healthz")

    def is_counted() -> bool:
        return f'fedjobs_jobs{{phase="{team.status(name)["phase"]}"}}' in operator.get("/metrics")

    wait_until("the metric counts the job in its phase", is_counted)
    text = operator.get("/metrics")
    for metric in ("fedjobs_operator_reconciles_total{", "fedjobs_operator_api_requests_total{"):
        assert metric in text
