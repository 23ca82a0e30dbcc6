from __future__ import annotations

from typing import Any

import pytest
from fedjobs_agent.planning.observations import NOT_STARTED, Worker, pod_of, worker_of
from fedjobs_worker.termination_message import Outcome

JOB: dict[str, Any] = {
    "metadata": {
        "name": "digits-hospital-a-worker",
        "uid": "u",
        "annotations": {"fedjobs.dev/invitation-id": "i", "fedjobs.dev/gpu": "true"},
    }
}


WAITING: dict[str, Any] = {
    "name": "session",
    "state": {"waiting": {"reason": "ErrImagePull", "message": "registry.example/private: denied"}},
}


def a_pod(**status: Any) -> dict[str, Any]:
    owners = [{"controller": True, "uid": "u", "kind": "Job"}]
    return {"metadata": {"name": "p", "ownerReferences": owners}, "status": status}


def test_a_worker_is_read_from_its_job() -> None:
    assert worker_of(JOB) == Worker("digits-hospital-a-worker", "u", "i", gpu=True)


def test_a_completed_job_has_its_completion_time() -> None:
    end = {"type": "Complete", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"}
    worker = worker_of({**JOB, "status": {"conditions": [end]}})
    assert (worker.finished_at, worker.succeeded) == (60.0, True)


def test_a_job_that_failed_did_not_succeed() -> None:
    end = {"type": "Failed", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"}
    worker = worker_of({**JOB, "status": {"conditions": [end]}})
    assert (worker.finished_at, worker.succeeded) == (60.0, False)


def test_an_unschedulable_pod_has_the_time_and_the_message() -> None:
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


def test_the_termination_message_is_the_sessions() -> None:
    def container(name: str, message: str) -> dict[str, Any]:
        return {"name": name, "state": {"terminated": {"exitCode": 0, "message": message}}}

    said = container("session", '{"outcome":"Suspended","code":"","message":""}')
    word = pod_of(a_pod(containerStatuses=[container("other", "x"), said])).last_word
    assert word is not None
    assert word.outcome is Outcome.SUSPENDED
    assert pod_of(a_pod(containerStatuses=[container("session", "Traceback ...")])).last_word is None
    assert pod_of(a_pod(containerStatuses=[{"name": "session", "state": {"running": {}}}])).last_word is None


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, NOT_STARTED),
        ({"phase": "Running", "containerStatuses": [{"name": "session", "state": {"running": {}}}]}, ""),
        ({"phase": "Succeeded"}, ""),
        ({"containerStatuses": [WAITING | {"state": {"waiting": {"reason": "ContainerCreating"}}}]}, NOT_STARTED),
        ({"containerStatuses": [WAITING]}, "ImagePullBackOff in its container session"),
        (
            {
                "initContainerStatuses": [
                    {"name": "runner", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}
                ],
                "containerStatuses": [WAITING | {"state": {"waiting": {"reason": "PodInitializing"}}}],
            },
            "CrashLoopBackOff in its container runner",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                ]
            },
            "Unschedulable: 0/1 nodes",
        ),
    ],
    ids=["new", "runs", "done", "is made", "image", "runner", "no node"],
)
def test_the_reason_why_a_session_does_not_run_omits_the_silos_own_names(status: dict[str, Any], why: str) -> None:
    assert pod_of(a_pod(**status)).unstarted == why


def test_a_restarted_session_has_an_earlier_termination_message() -> None:
    message = '{"outcome":"Error","code":"InvalidToken","message":""}'
    last = {"terminated": {"exitCode": 1, "message": message, "finishedAt": "1970-01-01T00:00:07Z"}}
    waiting = {"name": "session", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last}
    pod = pod_of(a_pod(containerStatuses=[waiting]))
    assert pod.last_word is not None
    assert (pod.last_word.code, pod.spoke_at) == ("InvalidToken", 7)
