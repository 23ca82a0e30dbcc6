"""Builds attempts of a coordinator as Kubernetes objects: `an_attempt(2).crashed(exit_code=137)`."""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass, field, replace
from typing import Any

from fedjobs_api.names import JobRef
from fedjobs_api.times import written
from fedjobs_common.jobs.statuses import FinalWord, Phase, ResultLocation
from fedjobs_operator.planning import observations
from fedjobs_operator.planning.observations import Attempt

UID = "0f8e7d6c-5b4a-4938-a716-253443526170"
NOON = datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC)
"""The time zero of the tests. Other times are seconds after it."""

Body = dict[str, Any]


def at(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def a_final_word(phase: Phase = Phase.COMPLETE, *, result: str = "", **fields: Any) -> FinalWord:
    location = ResultLocation(uri=result, digest="ab" * 32) if result else None
    return FinalWord(phase=phase, result=location, **fields)


@dataclass(frozen=True)
class AnAttempt:
    """A Job and its pod. By default, the Job is running and its pod is starting."""

    number: int
    job: Body
    pod: Body | None = field(default=None)

    def _with(self, job: Body | None = None, pod: Body | None = None) -> AnAttempt:
        merged = copy.deepcopy(self.job) if job is None else _merged(self.job, job)
        return replace(self, job=merged, pod=self.pod if pod is None or self.pod is None else _merged(self.pod, pod))

    def _ended(self, condition: str, after: float, reason: str = "", message: str = "") -> AnAttempt:
        time = written(at(after))
        entry = {"type": condition, "status": "True", "lastTransitionTime": time, "reason": reason, "message": message}
        return self._with(job={"status": {"conditions": [entry]}})

    def _exited(self, code: int, reason: str, message: str, after: float | None = None) -> AnAttempt:
        ended = {"exitCode": code, "reason": reason, "message": message}
        state = {"terminated": ended | ({} if after is None else {"finishedAt": written(at(after))})}
        phase = "Failed" if code else "Succeeded"
        conditions = [{"type": "Ready", "status": "False"}]
        status = {"phase": phase, "containerStatuses": [{"name": "coordinator", "state": state}]}
        return self._with(pod={"status": status | {"conditions": conditions}})

    def ready(self) -> AnAttempt:
        conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "conditions": conditions}
        return self._with(pod={"spec": {"nodeName": "node-1"}, "status": status})

    def waiting(self, reason: str, message: str = "") -> AnAttempt:
        state = {"waiting": {"reason": reason, "message": message}}
        status = {"containerStatuses": [{"name": "coordinator", "state": state}]}
        return self._with(pod={"spec": {"nodeName": "node-1"}, "status": status})

    def unschedulable(self, message: str) -> AnAttempt:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        return self._with(pod={"status": {"conditions": [condition]}})

    def crashed(self, *, exit_code: int = 137, reason: str = "Error", says: str = "", after: float = 100) -> AnAttempt:
        return self.exited(exit_code, reason, says)._ended("Failed", after, "BackoffLimitExceeded", "It has failed.")

    def exited(self, code: int, reason: str = "Error", says: str = "", *, after: float | None = None) -> AnAttempt:
        """The pod has ended. The Job's status does not say yet what follows."""
        return self._exited(code, reason, says, after)

    def complete(self, *, result: str = "", after: float = 100, **word: Any) -> AnAttempt:
        said = a_final_word(result=result, **word).to_json().decode()
        return self._exited(0, "Completed", said)._ended("Complete", after)

    def failed_for_good(self, code: str, message: str = "", *, after: float = 100, **word: Any) -> AnAttempt:
        said = a_final_word(Phase.FAILED, code=code, message=message, **word).to_json().decode()
        return self._exited(1, "Error", said)._ended("Failed", after, "PodFailurePolicy", "It has failed.")

    def in_a_queue(self) -> AnAttempt:
        """The Job was created with the queue's label."""
        return self._with(job={"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "research"}}})

    def being_deleted(self, after: float = 0) -> AnAttempt:
        """The Job is being deleted, and exists until its pod has ended."""
        return self._with(job={"metadata": {"deletionTimestamp": written(at(after))}})

    def suspended(self) -> AnAttempt:
        return self._with(job={"spec": {"suspend": True}}).without_pod()

    def without_pod(self) -> AnAttempt:
        return replace(self, pod=None)

    def deleted_pod(self, after: float) -> AnAttempt:
        """The pod is being deleted, and its grace period has ended."""
        return self._with(pod={"metadata": {"deletionTimestamp": written(at(after))}})

    @property
    def observed(self) -> Attempt:
        (attempt,) = observations.attempts(
            JobRef("team", "digits", UID), [self.job], [] if self.pod is None else [self.pod]
        )
        return attempt


def an_attempt(number: int = 1, *, job: str = "digits", uid: str = UID) -> AnAttempt:
    name = f"{job}-coordinator-{number}"
    labels = {"fedjobs.dev/attempt": str(number), "fedjobs.dev/job": job, "fedjobs.dev/job-uid": uid}
    controller = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": f"job-{number}", "controller": True}
    created = {"creationTimestamp": written(NOON), "resourceVersion": "1", "labels": labels, "namespace": "team"}
    return AnAttempt(
        number,
        {
            "kind": "Job",
            "metadata": created
            | {"name": name, "uid": f"job-{number}", "ownerReferences": [JobRef("team", job, uid).owner()]},
            "spec": {},
            "status": {},
        },
        {
            "kind": "Pod",
            "metadata": created | {"name": f"{name}-x7k2p", "uid": f"pod-{number}", "ownerReferences": [controller]},
            "spec": {},
            "status": {"phase": "Pending"},
        },
    )


def _merged(body: Body, changes: Body) -> Body:
    merged = dict(body)
    for key, value in changes.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
