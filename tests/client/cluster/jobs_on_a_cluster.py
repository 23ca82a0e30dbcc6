"""Builds FederatedJobs as an API server returns them, with a status from the operator."""

from __future__ import annotations

import copy
from typing import Any

import fedjobs_api as api
from fedjobs_api.names import JobRef
from fedjobs_operator.children.coordinator_jobs import coordinator_job
from fedjobs_operator.settings import CoordinatorImage, FrontDoor, Hub, Settings

from tests.api.jobs import a_job

NOW = "2026-01-31T12:00:00Z"
DIGEST = "cd" * 32


class AJob:
    """Builds a job: `AJob().running(round=3).with_silo("hospital-a", "Working")`."""

    def __init__(self, name: str = "digits", **spec: Any) -> None:
        body = a_job(**spec)
        body["metadata"] = {
            "name": name,
            "namespace": "trials",
            "uid": "0b7c1a52-0000-4000-8000-000000000001",
            "resourceVersion": "1",
            "creationTimestamp": NOW,
        }
        self.body: dict[str, Any] = body | {"status": {}}

    def with_status(self, **fields: Any) -> AJob:
        changed = copy.deepcopy(self)
        changed.body["status"].update(fields)
        changed.body["metadata"]["resourceVersion"] = str(int(self.body["metadata"]["resourceVersion"]) + 1)
        return changed

    def running(self, round: int = 1, rounds: int = 20, **fields: Any) -> AJob:  # noqa: A002
        return self.with_status(phase="Running", completedRounds=round, totalRounds=rounds, attempt=1, **fields)

    def with_silo(self, name: str, state: str, **fields: Any) -> AJob:
        rows = [row for row in self.body["status"].get("silos", []) if row["name"] != name]
        return self.with_status(silos=[*rows, {"name": name, "state": state, **fields}])

    def with_condition(self, kind: str, status: str, reason: str = "Because", message: str = "") -> AJob:
        there = [c for c in self.body["status"].get("conditions", []) if c["type"] != kind]
        return self.with_status(conditions=[*there, condition(kind, status, reason, message)])

    def complete(self) -> AJob:
        result = {"uri": "pvc://trials/digits-coordinator-0b7c1a52/result", "digest": DIGEST}
        return self.with_status(phase="Complete", result=result).with_condition("Complete", "True", "Exported")

    def failed(self, reason: str, message: str) -> AJob:
        return self.with_status(phase="Failed").with_condition("Failed", "True", reason, message)


def condition(kind: str, status: str, reason: str = "Because", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": NOW}


def a_coordinator_job() -> dict[str, Any]:
    """Returns the Kubernetes Job that the operator creates for `AJob()`."""
    ref = JobRef("trials", "digits", AJob().body["metadata"]["uid"])
    front_door = FrontDoor("fedjobs.example.org", "fedjobs.example.org:443")
    hub = Hub.of(front_door, "fedjobs-hub:8444")
    settings = Settings("fedjobs", "fedjobs-authority", CoordinatorImage("coordinator:1"), front_door, hub)
    return coordinator_job(ref, api.parse(a_job()), 1, settings, "0" * 64)
