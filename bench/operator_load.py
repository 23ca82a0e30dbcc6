"""Measures the operator with a real API server and Kubernetes' Job controller, but without nodes.

    python -m bench.operator_load --jobs 100 --finished 1000 --json out.json

This program acts as the kubelet and writes the status of pods. Everything else is real. The numbers of API calls come
from the API server's audit log, for the operator's user name.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
import yaml
from fedjobs_common.jobs.statuses import FinalWord, Phase
from kubernetes import client
from rich.console import Console

from tests.cluster.api_servers import ApiServer, running_api_server
from tests.cluster.readiness import wait_until

ROOT = Path(__file__).parents[1]
OPERATOR = "fedjobs-operator"
NAMESPACE = "jobs"
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "examples/digits/job.yaml").read_text())
GROUP = ("fedjobs.dev", "v1alpha1", NAMESPACE, "federatedjobs")
console = Console()


class Bench:
    """One API server and one operator."""

    def __init__(self, server: ApiServer, process: psutil.Process) -> None:
        self.server = server
        self.process = process
        self.seen: dict[str, dict[str, Any]] = {}
        self.jobs = client.CustomObjectsApi(server.client())
        self.core = client.CoreV1Api(server.client())
        self.batch = client.BatchV1Api(server.client())

    def apply(self, name: str) -> None:
        self.jobs.create_namespaced_custom_object(*GROUP, MANIFEST | {"metadata": {"name": name}})

    def statuses(self) -> dict[str, dict[str, Any]]:
        found = self.jobs.list_namespaced_custom_object(*GROUP)["items"]
        self.seen = {job["metadata"]["name"]: job.get("status", {}) for job in found}
        return self.seen

    def calls(self) -> Counter[str]:
        """Returns the operator's calls so far by verb and resource, without watches and their lists."""
        counts: Counter[str] = Counter()
        with self.server.audit_log.open() as log:
            for line in log:
                entry = json.loads(line)
                about = entry.get("objectRef", {})
                if (
                    entry["user"]["username"] == OPERATOR
                    and entry["verb"] not in ("watch", "list")
                    and about.get("name")
                ):
                    counts[f"{entry['verb']} {about['resource']}{'/status' if about.get('subresource') else ''}"] += 1
        return counts

    def finish_pods(self) -> None:
        """Sets all pods to ready and then to complete, as a kubelet does."""
        word = FinalWord(phase=Phase.COMPLETE, round=20, rounds=20).model_dump_json(by_alias=True)
        ended = {"exitCode": 0, "reason": "Completed", "message": word}
        running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        container = {"name": "coordinator", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        status = {"phase": "Succeeded", "containerStatuses": [container | {"state": {"terminated": ended}}]}
        for phase, said in (("Running", status), ("Pending", running)):
            pods = self.core.list_namespaced_pod(NAMESPACE, field_selector=f"status.phase={phase}").items
            names = [pod.metadata.name for pod in pods if phase == "Pending" or self._invited(pod)]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda name, said=said: self._set_status(name, said), names))

    def _invited(self, pod: Any) -> bool:
        """Returns whether the operator has invited the silos, which is its last action for a listening coordinator.

        The condition CoordinatorReady does not stay true, because there is no coordinator process.
        """
        return bool(self.seen.get(pod.metadata.labels["fedjobs.dev/job"], {}).get("invitation"))

    def _set_status(self, name: str, status: dict[str, Any]) -> None:
        self.core.patch_namespaced_pod_status(name, NAMESPACE, {"status": status})


@contextmanager
def running(folder: Path) -> Iterator[Bench]:
    """Runs an API server with the operator."""
    with running_api_server(folder, with_controllers=True) as server:
        for crd in ("federatedjobs", "silos"):
            server.kubectl("apply", "-f", str(ROOT / f"crds/{crd}.yaml"))
        server.kubectl("wait", "--for=condition=Established", "crd/federatedjobs.fedjobs.dev", "--timeout=30s")
        for namespace in (NAMESPACE, "fedjobs-system"):
            server.kubectl("create", "namespace", namespace)
        for name in MANIFEST["spec"]["silos"]["names"]:
            silo = {"apiVersion": "fedjobs.dev/v1alpha1", "kind": "Silo", "metadata": {"name": name}, "spec": {}}
            server.kubectl.apply(yaml.safe_dump(silo))
        trust = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"servers.crt": "none"}}
        metadata = {"name": "fedjobs-trust", "namespace": "fedjobs-system"}
        server.kubectl.apply(yaml.safe_dump(trust | {"metadata": metadata}))
        arguments = [
            "--namespace",
            "fedjobs-system",
            "--authority-namespace",
            "fedjobs-system-authority",
            "--coordinator-image",
            "none",
            "--hub-address",
            "127.0.0.1:1",
        ]
        arguments += ["--front-door-host", "fedjobs.example.org", "--front-door-address", "fedjobs.example.org:443"]
        arguments += ["--metrics-bind-address", "127.0.0.1:0", "--health-probe-bind-address", "127.0.0.1:0"]
        environment = os.environ | {"KUBECONFIG": str(server.kubeconfig_as(OPERATOR, ["system:masters"]))}
        with (folder / "operator.log").open("wb") as log:
            operator = subprocess.Popen(
                [sys.executable, "-m", "fedjobs_operator", *arguments], env=environment, stdout=log, stderr=log
            )
            try:
                yield Bench(server, psutil.Process(operator.pid))
            finally:
                operator.terminate()
                operator.wait(30)


def holds(status: dict[str, Any], kind: str = "Accepted") -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in status.get("conditions", ()))


def one_by_one(bench: Bench, prefix: str, count: int) -> float:
    """Returns the median seconds from a job's creation to its coordinator Job, by polling every 5 ms."""
    taken = []
    for number in range(count):
        name = f"{prefix}-{number}"
        began = time.monotonic()
        bench.apply(name)
        while not bench.batch.list_namespaced_job(NAMESPACE, label_selector=f"fedjobs.dev/job={name}").items:
            time.sleep(0.005)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def burst(bench: Bench, prefix: str, count: int) -> float:
    """Returns the seconds from the first of these jobs until all are accepted."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bench.apply, [f"{prefix}-{number}" for number in range(count)]))
    wait_until("all jobs are accepted", lambda: all(map(holds, bench.statuses().values())), seconds=600)
    return time.monotonic() - began


def all_complete(bench: Bench) -> None:
    def complete() -> bool:
        found = bench.statuses()
        bench.finish_pods()
        return all(status.get("phase") == "Complete" for status in found.values())

    wait_until("all jobs are complete", complete, seconds=1800)


def main(
    jobs: Annotated[int, typer.Option(help="Number of jobs that are applied at the same time.")] = 100,
    finished: Annotated[
        int, typer.Option(help="Number of finished jobs that are kept, created at the same time.")
    ] = 1000,
    idle_s: Annotated[int, typer.Option(help="Seconds to measure while the operator is idle.")] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the results as JSON.")] = None,
) -> None:
    """Measures the operator's latency, CPU, memory and API calls."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as bench:
        one_by_one(bench, "first", 1)  # waits for the operator's start
        figures["apply_to_coordinator_job_s"] = one_by_one(bench, "alone", 10)
        figures["jobs_at_once"] = jobs
        figures["all_accepted_s"] = burst(bench, "burst", jobs)
        figures["memory_mb"] = bench.process.memory_info().rss / 1e6
        all_complete(bench)
        while (left := finished - len(bench.statuses())) > 0:
            burst(bench, f"more-{left}", min(jobs, left))
            all_complete(bench)
        time.sleep(5)
        calls = bench.calls()
        count = len(bench.statuses())
        figures["finished_jobs"] = count
        figures["calls_per_job_life"] = sum(calls.values()) / count
        figures["calls"] = {what: round(number / count, 2) for what, number in calls.most_common()}
        cpu = sum(bench.process.cpu_times()[:2])
        time.sleep(idle_s)
        figures["memory_with_finished_mb"] = bench.process.memory_info().rss / 1e6
        figures["idle_cpu_percent"] = 100 * (sum(bench.process.cpu_times()[:2]) - cpu) / idle_s
        figures["idle_calls_per_minute"] = 60 * (sum(bench.calls().values()) - sum(calls.values())) / idle_s
    console.print_json(data=figures)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    typer.run(main)
