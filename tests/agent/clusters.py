"""A silo's namespace on a real API server with the Job controller (and no kubelet: tests say what becomes of pods)."""

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
from fedjobs_agent import names
from fedjobs_protocol.identities import Identity, server_name
from fedjobs_protocol.invitations import Invitation, InvitationGpu

from tests.cluster.api_servers import ApiServer
from tests.protocol.coordinators import JOB, SILO

Result = TypeVar("Result")

MANIFESTS = Path(__file__).parents[2] / "examples/cluster"
AGENT = f"fedjobs-agent-{SILO}"
GPU_FILE = {"silo": SILO, "datasets": {}, "runner": {"gpu": {"resourceName": "example.org/gpu"}}}


def until(look: Callable[[], Result], seconds: float = 60) -> Result:
    """What another process does in its own time, once it is there."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return result


class SiloNamespace:
    """What the examples' manifests make, and what a test does there by hand."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        rendered = server.kubectl("kustomize", str(MANIFESTS))
        documents = [d for d in yaml.safe_load_all(rendered) if SILO in d["metadata"]["name"]]
        text = yaml.safe_dump_all(documents).replace("namespace: fedjobs\n", f"namespace: {namespace}\n")
        server.kubectl("create", "namespace", namespace)
        server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        server.kubectl.apply(text)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.server.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def invite(self, identity: Identity, address: str = "127.0.0.1:1", job: str = "digits", gpu: str = "Never") -> str:
        """Makes an invitation as the operator does; its Secret's name."""
        invitation = Invitation(
            job_uid=JOB,
            job_name=job,
            program="fedavg",
            datasets=[],
            address=address,
            server_name=server_name(JOB),
            gpu=InvitationGpu.model_validate({"mode": gpu}),
        )
        content = {
            "tls.crt": identity.certificate,
            "tls.key": identity.key,
            "ca.crt": identity.trust,
            "invitation.json": invitation.model_dump_json(by_alias=True).encode(),
        }
        name = f"{job}-silo-{SILO}"
        metadata = {"name": name, "labels": {names.INVITATION: "true", names.SILO: SILO}}
        data = {key: base64.b64encode(value).decode() for key, value in content.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        self.kubectl("create", "-f", "-", stdin=json.dumps(secret))
        return name

    def withdraw(self, name: str) -> None:
        self.kubectl("delete", "secret", name)

    def workers(self, job: str = "digits") -> list[dict[str, Any]]:
        return self._items("jobs", f"{names.workers_of(SILO)},{names.JOB}={job}")

    def pods(self, job: str = "digits") -> list[dict[str, Any]]:
        return self._items("pods", f"{names.workers_of(SILO)},{names.JOB}={job}")

    def worker(self, job: str = "digits") -> dict[str, Any]:
        """The worker, once there is one that is not ending."""
        standing = until(lambda: [w for w in self.workers(job) if "deletionTimestamp" not in w["metadata"]])
        (worker,) = standing
        return worker

    def pod(self, job: str = "digits") -> dict[str, Any]:
        """The worker's pod, once its Job has made it."""
        uid = self.worker(job)["metadata"]["uid"]

        def of_worker() -> list[dict[str, Any]]:
            return [p for p in self.pods(job) if p["metadata"]["ownerReferences"][0]["uid"] == uid]

        (pod,) = until(of_worker)
        return pod

    def no_node_is_free(self, message: str) -> None:
        """The scheduler has looked for a node for the pod for an hour."""
        since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self._patch_status({"conditions": [condition]})

    def the_session_ends(self, outcome: str, job: str = "digits") -> None:
        """The pod is done, and its session said how the job ended."""
        ended = {"exitCode": 0, "message": json.dumps({"outcome": outcome})}
        session = {"name": "session", "image": "", "imageID": "", "ready": False, "restartCount": 0}
        self._patch_status(
            {"phase": "Succeeded", "containerStatuses": [{**session, "state": {"terminated": ended}}]}, job
        )

    def _patch_status(self, status: dict[str, Any], job: str = "digits") -> None:
        pod = self.pod(job)["metadata"]["name"]
        self.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def _items(self, kind: str, selector: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]
        return items


class AgentProcess:
    """The agent as a process, with the rights that the examples' Role gives it."""

    def __init__(self, silo: SiloNamespace, folder: Path, silo_file: dict[str, Any], **config: Any) -> None:
        user = f"system:serviceaccount:{silo.namespace}:{AGENT}"
        (folder / "silo.yaml").write_text(yaml.safe_dump(silo_file))
        settings = {"silo": SILO, "siloFile": str(folder / "silo.yaml"), "image": "worker:1", **config}
        (folder / "agent.yaml").write_text(yaml.safe_dump(settings))
        self.log = folder / "agent.log"
        self._command = [sys.executable, "-m", "fedjobs_agent", "--config", str(folder / "agent.yaml")]
        self._command += ["--kubeconfig", str(silo.server.kubeconfig_as(user)), "--namespace", silo.namespace]
        self._command += ["--deployment", AGENT, "--metrics", "127.0.0.1:0"]
        self.start()

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=log)
        until(lambda: "watching for invitations" in self.log.read_text())

    def get(self, path: str) -> str:
        first = next(line for line in self.log.read_text().splitlines() if "watching for invitations" in line)
        port = json.loads(first)["metrics"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
