"""A silo's namespace on a real API server with the Job controller. Tests set the status of pods, as a kubelet does."""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from fedjobs_agent.planning import names

from tests.agent.federations import SILO
from tests.cluster.api_servers import ApiServer
from tests.helm.charts import Helm
from tests.server_processes import ServerProcess

Result = TypeVar("Result")

CHART = Path(__file__).parents[2] / "helm/fedjobs-silo"
RELEASE = "fedjobs-silo"
GPU_FILE = {"silo": SILO, "datasets": {}, "runner": {"gpu": {"resourceName": "example.org/gpu"}}}


def until(look: Callable[[], Result], seconds: float = 60) -> Result:
    """Waits until the function returns a true value, and returns it."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        assert time.monotonic() < deadline, "the expected state was not reached in time"
        time.sleep(0.1)
    return result


class SiloNamespace:
    """The objects of the silo's chart, and the changes that a test makes to them."""

    def __init__(self, server: ApiServer, helm: Helm, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        server.kubectl("create", "namespace", namespace)
        server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        command = ["template", RELEASE, str(CHART), f"--namespace={namespace}", "--no-hooks", "--kube-version=1.34"]
        self.kubectl("apply", "-f", "-", stdin=helm(*command, "--set", f"silo={SILO}"))

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.server.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def secret(self, name: str) -> dict[str, bytes]:
        """Returns the content of a Secret, or an empty dictionary if it does not exist."""
        found = self.server.kubectl.run("-n", self.namespace, "get", "secret", name, "-o", "json")
        data = json.loads(found.stdout).get("data") or {} if found.returncode == 0 else {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def workers(self, job: str = "digits") -> list[dict[str, Any]]:
        return self._items("jobs", f"{names.workers_of(SILO)},{names.JOB}={job}")

    def pods(self, job: str = "digits") -> list[dict[str, Any]]:
        return self._items("pods", f"{names.workers_of(SILO)},{names.JOB}={job}")

    def worker(self, job: str = "digits") -> dict[str, Any]:
        """Waits for a worker that is not being deleted, and returns it."""
        standing = until(lambda: [w for w in self.workers(job) if "deletionTimestamp" not in w["metadata"]])
        (worker,) = standing
        return worker

    def pod(self, job: str = "digits") -> dict[str, Any]:
        """Waits until the Job controller has created the worker's pod, and returns it."""
        uid = self.worker(job)["metadata"]["uid"]

        def of_worker() -> list[dict[str, Any]]:
            return [p for p in self.pods(job) if p["metadata"]["ownerReferences"][0]["uid"] == uid]

        (pod,) = until(of_worker)
        return pod

    def no_more_jobs(self) -> None:
        """Creates a quota that permits no Jobs."""
        self.kubectl("create", "quota", "none", "--hard=count/jobs.batch=0")
        none = {"count/jobs.batch": "0"}
        status = json.dumps({"status": {"hard": none, "used": none}})  # no controller sets the status here
        self.kubectl("patch", "quota", "none", "--subresource=status", "--type=merge", "-p", status)

        def refused() -> bool:  # the API server applies the quota with a delay
            command = ["create", "job", "try", "--image=i", "--dry-run=server"]
            return "exceeded quota" in self.server.kubectl.run("-n", self.namespace, *command).stderr

        until(refused)

    def may_have_jobs(self) -> None:
        self.kubectl("delete", "quota", "none")

    def no_node_is_free(self, message: str) -> None:
        """Makes the pod unschedulable since one hour ago."""
        since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self._patch_status({"conditions": [condition]})

    def report_session_running(self) -> None:
        """Sets the session's container to running."""
        running = {"state": {"running": {}}}
        self._patch_status(
            {
                "phase": "Running",
                "containerStatuses": [_SESSION | running],
                "initContainerStatuses": [_AUDIT | running],
            }
        )

    def report_session_waiting(self, reason: str) -> None:
        """Sets the session's container to waiting, with this reason."""
        self._patch_status({"containerStatuses": [{**_SESSION, "state": {"waiting": {"reason": reason}}}]})

    def add_pod_warning(self, reason: str) -> None:
        """Creates a warning event about the pod."""
        pod = self.pod()["metadata"]
        about = {"kind": "Pod", "namespace": self.namespace, "name": pod["name"], "uid": pod["uid"]}
        event = {"reason": reason, "type": "Warning", "involvedObject": about, "message": "/exports/records: denied"}
        event |= {"metadata": {"name": f"{pod['name']}.1"}, "lastTimestamp": "2020-01-01T00:00:00Z"}
        self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Event", **event}))

    def report_session_ended(self, outcome: str, job: str = "digits") -> None:
        """Completes the pod. The session's termination message has this outcome."""
        ended = {"exitCode": 0, "message": json.dumps({"outcome": outcome})}
        self._patch_status(
            {
                "phase": "Succeeded",
                "containerStatuses": [{**_SESSION, "state": {"terminated": ended}}],
                "initContainerStatuses": [{**_AUDIT, "state": {"terminated": {"exitCode": 0}}}],
            },
            job,
        )

    def report_session_restarting(self, code: str) -> None:
        """Reports that the session's container failed with this code and is being restarted."""
        long_ago = "2020-01-01T00:00:00Z"
        message = json.dumps({"outcome": "Error", "code": code})
        last = {"terminated": {"exitCode": 1, "message": message, "finishedAt": long_ago}}
        session = {**_SESSION, "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        self._patch_status({"phase": "Running", "containerStatuses": [{**session, "lastState": last}]})

    def _patch_status(self, status: dict[str, Any], job: str = "digits") -> None:
        pod = self.pod(job)["metadata"]["name"]
        self.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def _items(self, kind: str, selector: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]
        return items


class AgentProcess(ServerProcess):
    """The agent as a separate process, with the permissions of the chart's Role."""

    def __init__(self, silo: SiloNamespace, folder: Path, silo_file: dict[str, Any], **config: Any) -> None:
        user = f"system:serviceaccount:{silo.namespace}:{RELEASE}"
        folder.mkdir(exist_ok=True)
        self.silo_file = folder / "silo.yaml"
        self.silo_file.write_text(yaml.safe_dump(silo_file))
        settings = {"silo": SILO, "siloFile": str(self.silo_file), "image": "worker:1"}
        settings |= {"tokenFile": str(folder / "token"), "auditFile": str(folder / "audit.jsonl"), **config}
        (folder / "agent.yaml").write_text(yaml.safe_dump(settings))
        self.folder = folder
        self.log = folder / "agent.log"
        self._command = [sys.executable, "-m", "fedjobs_agent", "--config", str(folder / "agent.yaml")]
        self._command += ["--kubeconfig", str(silo.server.kubeconfig_as(user)), "--namespace", silo.namespace]
        self._command += ["--deployment", RELEASE, "--metrics-bind-address", "127.0.0.1:0"]
        self.start()

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=log)
        until(lambda: self.says("watching for invitations"))

    def says(self, words: str) -> bool:
        return words in self.log.read_text()

    def audit(self) -> list[dict[str, Any]]:
        """Returns the silo's audit log."""
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def get(self, path: str) -> str:
        first = next(line for line in self.log.read_text().splitlines() if "watching for invitations" in line)
        port = json.loads(first)["metrics"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return str(answer.read().decode())


_SESSION = {"name": "session", "image": "", "imageID": "", "ready": False, "restartCount": 0}
_AUDIT = {**_SESSION, "name": "audit"}
