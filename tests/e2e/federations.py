"""A federation on a test cluster: operator, hub, front door and silos, and what users do with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.clusters import Cluster
from tests.cluster.readiness import wait_until
from tests.e2e import commands
from tests.e2e.commands import PATIENCE
from tests.e2e.sites import ROOT, Site

DIGITS = ROOT / "examples/digits/job.yaml"
SILOS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
FEW = SILOS[:2]
OTHERS = SILOS[2:]
ENDLESS = 100_000  # rounds of a job that the test deletes before it is complete
PROGRAM = "rounds"  # the ConfigMap with tests/plans/rounds.py and its plan


@dataclass(frozen=True)
class Federation:
    """Does what a user does with kubectl and the command line.

    Attributes:
        cluster: The cluster of the federation.
        namespace: The namespace of the jobs.
        sites: The sites where silos are installed, by silo name.
    """

    cluster: Cluster
    namespace: str
    sites: dict[str, Site] = field(default_factory=dict)

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments)

    def apply(self, manifest: dict[str, Any]) -> str:
        """Applies a job, and returns its name."""
        self.cluster.kubectl("apply", f"--namespace={self.namespace}", "-f", "-", stdin=yaml.safe_dump(manifest))
        return str(manifest["metadata"]["name"])

    def settle(self, site: Site, values: Mapping[str, Any], records: Path, *, anew: bool = False) -> None:
        """Invites a silo, installs it with the command of its invitation, and waits until it is connected.

        Args:
            site: Where to install the silo.
            values: Values of the silo's chart, without a token.
            records: A folder with the silo's data.
            anew: Whether to enrol the silo again if it is enrolled already.
        """
        enrolled = not anew and self.silo_condition(site.silo, "Enrolled").get("status") == "True"
        site.prepare(records, anew=not enrolled)
        if enrolled:  # by an earlier run on the same cluster
            site.upgrade(values)
        else:
            site.install(values, self.invite(site.silo)["command"])
        self.sites[site.silo] = site
        self.wait_for_silo(site.silo, "Connected")

    def settle_all(self, settlements: Iterable[tuple[Site, Mapping[str, Any], Path]]) -> None:
        """Calls `settle` for all of them at the same time."""
        with ThreadPoolExecutor() as pool:
            settled = [pool.submit(self.settle, *settlement) for settlement in settlements]
        for each in settled:
            each.result()

    def leave(self, site: Site) -> None:
        """Removes a silo from the federation, and deletes everything that belongs to it."""
        commands.fedjobs(self.cluster, "silo", "remove", site.silo, "--yes")
        site.cluster.kubectl("delete", "namespace", site.namespace, "--wait=false")
        self.sites.pop(site.silo, None)

    def invite(self, silo: str, *more: str) -> dict[str, Any]:
        """Invites a silo. Returns silo, command, token and expires."""
        again = () if not self.cluster.kubectl("get", "silo", silo, "--ignore-not-found") else ("--again",)
        return dict(json.loads(commands.fedjobs(self.cluster, "silo", "invite", silo, *again, *more, "--json")))

    def silo_status(self, silo: str) -> dict[str, Any]:
        """Returns the status of a silo, or an empty dictionary if the silo does not exist."""
        found = self.cluster.kubectl("get", "silo", silo, "--ignore-not-found", "-o", "json")
        return dict(json.loads(found or "{}").get("status", {}))

    def silo_condition(self, silo: str, kind: str) -> dict[str, Any]:
        found = [c for c in self.silo_status(silo).get("conditions", ()) if c["type"] == kind]
        return dict(found[0]) if found else {}

    def wait_for_silo(self, silo: str, kind: str, status: str = "True") -> None:
        what = f"{silo}: {kind}={status}"
        wait_until(what, lambda: self.silo_condition(silo, kind).get("status") == status, seconds=PATIENCE)

    def job(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", "federatedjob", name, "-o", "json")))

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.job(name).get("status", {}))

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        found = [c for c in self.status(name).get("conditions", ()) if c["type"] == kind]
        return dict(found[0]) if found else {}

    def wait_for(self, name: str, kind: str, status: str = "True") -> dict[str, Any]:
        """Waits for a condition and returns it. Fails with the job's message if the job fails instead."""
        self._until(name, f"{kind}={status}", lambda: self.condition(name, kind).get("status") == status, kind)
        return self.condition(name, kind)

    def wait_for_reason(self, name: str, kind: str, reason: str) -> dict[str, Any]:
        self._until(name, f"{kind} {reason}", lambda: self.condition(name, kind).get("reason") == reason, kind)
        return self.condition(name, kind)

    def wait_for_round(self, name: str, number: int) -> None:
        self._until(name, f"round {number}", lambda: self.status(name).get("completedRounds", 0) >= number, "Complete")

    def wait_for_rounds(self, name: str, more: int) -> None:
        """Waits until this many further rounds are finished."""
        self.wait_for_round(name, self.status(name).get("completedRounds", 0) + more)

    def complete(self, name: str) -> dict[str, Any]:
        """Waits until the job is complete and returns its status."""
        self.wait_for(name, "Complete")
        return self.status(name)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        return list(json.loads(self.kubectl("get", "pods", "--selector", selector, "-o", "json"))["items"])

    def coordinator_pod(self, name: str) -> str:
        """Returns the name of the newest attempt's pod."""
        selector = f"fedjobs.dev/job={name},app.kubernetes.io/component=coordinator"
        newest = max(self.pods(selector), key=lambda pod: int(pod["metadata"]["labels"]["fedjobs.dev/attempt"]))
        return str(newest["metadata"]["name"])

    def row(self, name: str, silo: str) -> dict[str, Any]:
        """Returns the entry of a silo in the job's status."""
        return next((dict(row) for row in self.status(name).get("silos", ()) if row["name"] == silo), {})

    def wait_for_row(self, name: str, silo: str, state: str) -> dict[str, Any]:
        """Waits until a silo is in this state in the job's status, and returns its entry."""
        self._until(name, f"{silo} is {state}", lambda: self.row(name, silo).get("state") == state, "Failed")
        return self.row(name, silo)

    def worker_pod(self, name: str, silo: str) -> dict[str, Any]:
        """Waits for the pod of a silo's worker and returns it."""
        site = self.sites[silo]
        self._until(name, f"the worker of {silo}", lambda: bool(site.workers(name)), "Complete")
        return site.workers(name)[-1]

    def kill_in_worker(self, name: str, silo: str, container: str) -> None:
        """Sends SIGKILL to the first process of a container of a silo's worker."""
        self.sites[silo].kill(self.worker_pod(name, silo)["metadata"]["name"], container)

    def pods_of(self, name: str) -> list[dict[str, Any]]:
        """Returns all pods of a job: its coordinator's, and those of its workers in all clusters."""
        workers = [pod for site in self.sites.values() for pod in site.workers(name)]
        return self.pods(f"fedjobs.dev/job={name},app.kubernetes.io/component=coordinator") + workers

    def progress(self, name: str) -> list[int]:
        """Returns the finished rounds from the log of a running job's coordinator, in the order of the log."""
        script = "print(open('/state/progress.jsonl').read())"
        where = (self.coordinator_pod(name), "-c", "coordinator")
        return _finished_rounds(self.kubectl("exec", *where, "--", "python", "-c", script))

    def fetch(self, name: str, out: Path) -> dict[str, Any]:
        """Downloads the result with the command line, and returns what the command prints."""
        return dict(json.loads(self.fedjobs("result", name, "--out", str(out), "--json")))

    def fedjobs(self, *arguments: str) -> str:
        return commands.fedjobs(self.cluster, *arguments, f"--namespace={self.namespace}")

    def delete(self, name: str) -> None:
        self.kubectl("delete", "federatedjob", name, "--ignore-not-found", "--wait=false")

    def _until(self, name: str, what: str, reached: Any, wanted: str) -> None:
        def failed() -> str | None:
            failure = {} if wanted == "Failed" else self.condition(name, "Failed")
            return failure.get("message") if failure.get("status") == "True" else None

        wait_until(f"{name}: {what}", reached, seconds=PATIENCE, broken=failed)


def a_job(name: str, *, rounds: int = ENDLESS, silos: Sequence[str] = FEW, **spec: Any) -> dict[str, Any]:
    """Returns a job with the program of tests/plans. Silos compute, and the coordinator needs no TensorFlow Federated.

    Args:
        name: Name of the job.
        rounds: Number of rounds.
        silos: Names of the silos, which must all take part.
        spec: Further fields of the spec. They override the fields above.
    """
    source = {"configMap": {"name": PROGRAM}}
    program = {"entrypoint": "rounds:main", "source": source, "parameters": {"rounds": rounds}}
    resources = {"requests": {"cpu": "100m"}}  # so that two jobs fit on a node with two cores
    common = {"dataset": "digits", "backoffLimit": 3, "program": program, "coordinator": {"resources": resources}}
    return _with_silos(silos, {**_digits(name), "spec": common | spec})


def a_training(name: str, *, rounds: int = 20, silos: Sequence[str] = FEW, **spec: Any) -> dict[str, Any]:
    """Returns the digits job with another name and with these fields in its spec."""
    job = _digits(name)
    job["spec"]["program"]["parameters"]["rounds"] = rounds
    job["spec"] |= spec
    return _with_silos(silos, job)


def _digits(name: str) -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load(DIGITS.read_text())
    job["metadata"]["name"] = name
    return job


def _with_silos(silos: Sequence[str], job: dict[str, Any]) -> dict[str, Any]:
    job["spec"]["silos"] = {"names": list(silos)}
    job["spec"]["cohort"] = {"minSilos": len(silos), "goalSilos": len(silos), "roundDeadlineSeconds": 600}
    return job


def finished_rounds(out: Path) -> list[int]:
    """Returns the finished rounds from the log of a coordinator with all its restarts, in the order of the log."""
    return _finished_rounds((out / "coordinator" / "progress.jsonl").read_text())


def _finished_rounds(progress: str) -> list[int]:
    events = [json.loads(line) for line in progress.splitlines() if line]
    return [event["round"] for event in events if event["event"] == "round"]
