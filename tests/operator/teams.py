"""A namespace with jobs on a real API server. The test acts as the kubelet and sets the status of pods."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fedjobs_api.names import JobRef
from fedjobs_common.jobs.statuses import FinalWord
from kubernetes.client import ApiClient

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.operator.processes import OWN_NAMESPACE

Body = dict[str, Any]
FOLDERS = {
    "configmaps": "/api/v1",
    "events": "/api/v1",
    "federatedjobs": "/apis/fedjobs.dev/v1alpha1",
    "jobs": "/apis/batch/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "persistentvolumeclaims": "/api/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
}
CHILDREN = ("configmaps", "jobs", "networkpolicies", "persistentvolumeclaims", "services")


class Team:
    """A namespace with its jobs."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        self._client: ApiClient = server.client()
        server.kubectl("create", "namespace", namespace)

    # Objects

    def call(self, method: str, plural: str, name: str = "", body: Body | None = None, query: str = "") -> Body:
        """Sends a request and returns the response. If the server refuses the request, that is a Status object."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        path = f"{FOLDERS[plural]}/namespaces/{self.namespace}/{plural}{name and f'/{name}'}{query}"
        headers = {"Accept": "application/json", "Content-Type": kind}
        request = self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        answer: Body = json.loads(self._client.call_api(*request, _request_timeout=30).read())
        return answer

    def get(self, plural: str, name: str) -> Body | None:
        found = self.call("GET", plural, name)
        return None if found.get("kind") == "Status" else found

    def list(self, plural: str, job: str) -> list[Body]:
        """Returns the children of a job, of one kind."""
        items: list[Body] = self.call("GET", plural, query=f"?labelSelector=fedjobs.dev%2Fjob%3D{job}")["items"]
        return items

    def children(self, job: str) -> dict[str, Body]:
        """Returns all objects that a job owns or that have its label, by keys like `jobs/digits-coordinator-1`."""
        return {f"{plural}/{c['metadata']['name']}": c for plural in CHILDREN for c in self.list(plural, job)}

    def ref(self, job: str) -> JobRef:
        """Returns the JobRef, which has the names of the job's objects."""
        return JobRef(self.namespace, job, (self.get("federatedjobs", job) or {})["metadata"]["uid"])

    def invites(self, job: str) -> bool:
        """Returns whether the silos are invited and the front door routes to the job's coordinator."""
        return bool(self.status(job).get("invitation")) and self.routed_to(job) is not None

    def routed_to(self, job: str) -> str | None:
        """Returns the host to which the front door routes for a job, or None if there is no route."""
        return self.route(self.ref(job))

    def route(self, ref: JobRef) -> str | None:
        """Returns the host to which the front door routes for a job that may be deleted, or None."""
        found = self.server.kubectl.run("get", "service", ref.service, f"--namespace={OWN_NAMESPACE}", "-o", "json")
        return None if found.returncode else str(json.loads(found.stdout)["spec"]["externalName"])

    def uids(self, job: str) -> dict[str, str]:
        return {name: child["metadata"]["uid"] for name, child in self.children(job).items()}

    def is_gone(self) -> bool:
        """Returns whether the deletion of the namespace is complete."""
        self.release_claims()
        return self.server.kubectl.run("get", "namespace", self.namespace).returncode != 0

    # The job

    def apply(self, job: Body) -> str:
        """Creates a job and returns its name."""
        created = self.call("POST", "federatedjobs", body=job)
        assert created["kind"] == "FederatedJob", created["message"]
        return str(created["metadata"]["name"])

    def edit(self, name: str, spec: Body) -> None:
        changed = self.call("PATCH", "federatedjobs", name, {"spec": spec})
        assert changed["kind"] == "FederatedJob", changed["message"]

    def delete(self, name: str) -> None:
        self.call("DELETE", "federatedjobs", name)

    def status(self, name: str) -> Body:
        status: Body = (self.get("federatedjobs", name) or {}).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> Body:
        return next((found for found in self.status(name).get("conditions", ()) if found["type"] == kind), {})

    def wait_for(self, name: str, kind: str, status: str = "True", reason: str = "") -> Body:
        """Waits until the condition has this status and reason, and returns it."""

        def reached() -> bool:
            found = self.condition(name, kind)
            return found.get("status") == status and reason in ("", found["reason"])

        try:
            wait_until(f"{name}: {kind}={status} {reason}", reached, seconds=180)
        except Exception as error:
            raise AssertionError(f"{error}; its status: {json.dumps(self.status(name), indent=1)}") from None
        return self.condition(name, kind)

    def events(self, name: str) -> list[tuple[str, str]]:
        """Returns type and reason of the events of a job."""
        events = self.call("GET", "events")["items"]
        return [(event["type"], event["reason"]) for event in events if event["involvedObject"]["name"] == name]

    def wait_for_event(self, name: str, kind: str, reason: str) -> None:
        """Waits for an event. The operator creates events after it has written the status."""
        wait_until(f"{name} has the event {reason}", lambda: (kind, reason) in self.events(name), seconds=60)

    # Its pods

    def pod(self, name: str, attempt: int = 1) -> str:
        """Waits until the Job controller has created the pod of an attempt, and returns its name."""

        def pods() -> list[str]:
            labelled = [
                pod["metadata"] for pod in self.list("pods", name) if "deletionTimestamp" not in pod["metadata"]
            ]
            return [pod["name"] for pod in labelled if pod["labels"]["fedjobs.dev/attempt"] == str(attempt)]

        wait_until(f"{name} has a pod of attempt {attempt}", lambda: bool(pods()), seconds=60)
        return pods()[0]

    def say_of_pod(self, pod: str, phase: str, state: Body, *, ready: bool = False) -> None:
        container = {"name": "coordinator", "image": "i", "imageID": "", "ready": ready, "restartCount": 0}
        conditions = [{"type": "Ready", "status": str(ready)}]
        status = {"phase": phase, "conditions": conditions, "containerStatuses": [container | {"state": state}]}
        answer = self.call("PATCH", "pods", f"{pod}/status", {"status": status})
        assert answer["kind"] == "Pod", answer["message"]

    def ready(self, name: str, attempt: int = 1) -> None:
        """Makes the pod ready, and waits until the operator reports it as the coordinator."""
        pod = self.pod(name, attempt)
        self.say_of_pod(pod, "Running", {"running": {}}, ready=True)
        wait_until(
            "the status names the coordinator's pod",
            lambda: self.status(name).get("coordinator", {}).get("podName") == pod,
            seconds=180,
        )
        self.wait_for(name, "CoordinatorReady", reason="Listening")

    def end(
        self, name: str, code: int, reason: str = "Error", *, attempt: int = 1, word: FinalWord | None = None
    ) -> None:
        """Ends the coordinator's process."""
        message = "" if word is None else word.to_json().decode()
        state = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
        self.say_of_pod(self.pod(name, attempt), "Failed" if code else "Succeeded", state)

    def release_claims(self) -> None:
        """Removes the finalizers of deleted claims, as the PVC protection controller does, which does not run here."""
        for claim in self.call("GET", "persistentvolumeclaims")["items"]:
            if "deletionTimestamp" in claim["metadata"]:
                self.call(
                    "PATCH", "persistentvolumeclaims", claim["metadata"]["name"], {"metadata": {"finalizers": None}}
                )

    def has_nothing_of(self, job: str, *, but: Iterable[str] = ()) -> bool:
        """Returns whether all objects of a job are deleted, including pods."""
        self.release_claims()
        return set(self.children(job)) == set(but) and not self.list("pods", job)

    def bind(self, name: str) -> None:
        """Binds the job's claim."""
        claim = self.ref(name).claim
        wait_until("the claim exists", lambda: self.get("persistentvolumeclaims", claim) is not None)
        self.call("PATCH", "persistentvolumeclaims", f"{claim}/status", {"status": {"phase": "Bound"}})
