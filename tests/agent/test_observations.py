from __future__ import annotations

from typing import Any

from fedjobs_agent.observations import Worker, pod_of, worker_of
from fedjobs_worker.last_words import Outcome

JOB: dict[str, Any] = {
    "metadata": {
        "name": "digits-hospital-a-worker",
        "uid": "u",
        "annotations": {"fedjobs.dev/invitation-id": "i", "fedjobs.dev/gpu": "true"},
    }
}


def a_pod(**status: Any) -> dict[str, Any]:
    owners = [{"controller": True, "uid": "u", "kind": "Job"}]
    return {"metadata": {"name": "p", "ownerReferences": owners}, "status": status}


def test_a_worker_is_what_its_job_says() -> None:
    assert worker_of(JOB) == Worker("digits-hospital-a-worker", "u", "i", gpu=True)


def test_a_job_that_completed_ended_when_it_did() -> None:
    end = {"type": "Complete", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"}
    worker = worker_of({**JOB, "status": {"conditions": [end]}})
    assert (worker.finished_at, worker.succeeded) == (60.0, True)


def test_a_job_that_failed_did_not_succeed() -> None:
    end = {"type": "Failed", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"}
    worker = worker_of({**JOB, "status": {"conditions": [end]}})
    assert (worker.finished_at, worker.succeeded) == (60.0, False)


def test_a_pod_that_finds_no_node_says_since_when_and_why() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "Insufficient nvidia.com/gpu",
        "lastTransitionTime": "1970-01-01T00:00:10Z",
    }
    pod = pod_of(a_pod(conditions=[condition]))
    assert (pod.job_uid, pod.unschedulable_since, pod.unschedulable_message) == ("u", 10, "Insufficient nvidia.com/gpu")
    assert pod_of(a_pod(conditions=[{**condition, "status": "True", "reason": ""}])).unschedulable_since is None


def test_the_last_word_is_that_of_the_session() -> None:
    def container(name: str, message: str) -> dict[str, Any]:
        return {"name": name, "state": {"terminated": {"exitCode": 0, "message": message}}}

    said = container("session", '{"outcome":"Suspended","code":"","message":""}')
    word = pod_of(a_pod(containerStatuses=[container("other", "x"), said])).last_word
    assert word is not None
    assert word.outcome is Outcome.SUSPENDED
    assert pod_of(a_pod(containerStatuses=[container("session", "Traceback ...")])).last_word is None
    assert pod_of(a_pod(containerStatuses=[{"name": "session", "state": {"running": {}}}])).last_word is None
