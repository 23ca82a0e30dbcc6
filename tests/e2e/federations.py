"""A federation on a test cluster: the operator, four silos' agents, and what a person does with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.clusters import Cluster
from tests.cluster.readiness import wait_until

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples/digits/job.yaml"
SILOS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
FEW = SILOS[:2]
OPERATOR_NAMESPACE = "fedjobs-system"
LONG = 600  # seconds; a job takes half a minute, an old machine much longer


@dataclass(frozen=True)
class Federation:
    """What tests do as a person with kubectl and the command line would."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments)

    def apply(self, manifest: dict[str, Any]) -> str:
        """Applies a job, and returns its name."""
        self.cluster.kubectl("apply", f"--namespace={self.namespace}", "-f", "-", stdin=yaml.safe_dump(manifest))
        return str(manifest["metadata"]["name"])

    def register(self, silo: str) -> None:
        """Makes a silo known."""
        head = {"apiVersion": "fedjobs.dev/v1alpha1", "kind": "Silo"}
        self.cluster.kubectl.apply(yaml.safe_dump(head | {"metadata": {"name": silo}, "spec": {}}))

    def job(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", "federatedjob", name, "-o", "json")))

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.job(name).get("status", {}))

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        found = [c for c in self.status(name).get("conditions", ()) if c["type"] == kind]
        return dict(found[0]) if found else {}

    def wait_for(self, name: str, kind: str, status: str = "True") -> dict[str, Any]:
        """Waits for a condition; a job that failed instead is told with its own words."""
        self._until(name, f"{kind}={status}", lambda: self.condition(name, kind).get("status") == status, kind)
        return self.condition(name, kind)

    def wait_for_reason(self, name: str, kind: str, reason: str) -> dict[str, Any]:
        self._until(name, f"{kind} {reason}", lambda: self.condition(name, kind).get("reason") == reason, kind)
        return self.condition(name, kind)

    def wait_for_round(self, name: str, number: int) -> None:
        self._until(name, f"round {number}", lambda: self.status(name).get("round", 0) >= number, "Complete")

    def complete(self, name: str) -> dict[str, Any]:
        """Waits until the job is complete; its status."""
        self.wait_for(name, "Complete")
        return self.status(name)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        return list(json.loads(self.kubectl("get", "pods", "--selector", selector, "-o", "json"))["items"])

    def coordinator_pod(self, name: str) -> str:
        """The pod of the newest attempt."""
        selector = f"fedjobs.dev/job={name},app.kubernetes.io/component=coordinator"
        newest = max(self.pods(selector), key=lambda pod: int(pod["metadata"]["labels"]["fedjobs.dev/attempt"]))
        return str(newest["metadata"]["name"])

    def worker_pod(self, name: str, silo: str) -> dict[str, Any]:
        """The pod of a silo's worker, once it is there."""
        selector = f"fedjobs.dev/job={name},fedjobs.dev/silo={silo},app.kubernetes.io/component=worker"
        self._until(name, f"the worker of {silo}", lambda: bool(self.pods(selector)), "Complete")
        return self.pods(selector)[-1]

    def fetch(self, name: str, out: Path) -> dict[str, Any]:
        """The result, brought here by the command line, as it prints it."""
        return dict(json.loads(self.fedjobs("result", name, "--out", str(out), "--json")))

    def fedjobs(self, *arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("fedjobs")), *arguments, f"--namespace={self.namespace}"]
        environment = os.environ | {"KUBECONFIG": str(self.cluster.kubeconfig)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=LONG)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def delete(self, name: str) -> None:
        self.kubectl("delete", "federatedjob", name, "--ignore-not-found", "--wait=false")

    def _until(self, name: str, what: str, reached: Any, wanted: str) -> None:
        def failed() -> str | None:
            failure = {} if wanted == "Failed" else self.condition(name, "Failed")
            return failure.get("message") if failure.get("status") == "True" else None

        wait_until(f"{name}: {what}", reached, seconds=LONG, broken=failed)


def a_job(name: str, *, rounds: int = 20, silos: Sequence[str] = FEW, **spec: Any) -> dict[str, Any]:
    """The digits job with another name, and with these fields of its spec."""
    job: dict[str, Any] = yaml.safe_load(DIGITS.read_text())
    job["metadata"]["name"] = name
    job["spec"]["program"]["parameters"]["rounds"] = rounds
    job["spec"]["silos"] = {"names": list(silos)}
    job["spec"]["cohort"] = {"minSilos": len(silos), "goalSilos": len(silos), "roundDeadlineSeconds": 600}
    job["spec"] |= spec
    return job


def finished_rounds(out: Path) -> list[int]:
    """The rounds that a coordinator, with all its starts, said were finished, in this order."""
    lines = (out / "coordinator" / "progress.jsonl").read_text().splitlines()
    return [event["round"] for event in map(json.loads, lines) if event["event"] == "round"]
