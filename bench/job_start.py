"""Measures the time from `kubectl apply` to the first finished round, on a running cluster.

    KUBECONFIG=$(python -m tests.cluster kubeconfig e2e) python -m bench.job_start --repeats 5 --json out.json

The cluster must have the federation of the end-to-end tests (`make e2e E2E=--keep`). All times come from one machine's
clock: from this program, from the coordinator's log, and from its progress file.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tests.cluster import opening
from tests.e2e.federations import SILOS, Federation, a_training

console = Console()


def main(
    repeats: Annotated[int, typer.Option(help="Number of jobs, which run one after the other.")] = 5,
    namespace: Annotated[str, typer.Option(help="Namespace of the jobs.")] = "fedjobs",
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the results as JSON.")] = None,
) -> None:
    """Prints medians, in seconds since `kubectl apply` returned."""
    federation = Federation(opening.opened(Path(os.environ["KUBECONFIG"])), namespace)
    rows = [_measure(federation, f"start-{os.getpid()}-{number}") for number in range(repeats)]
    figures = {what: round(statistics.median(row[what] for row in rows), 2) for what in rows[0]}
    console.print_json(data={"repeats": repeats, "silos": len(SILOS), "median_s": figures, "all": rows})
    if json_file is not None:
        json_file.write_text(json.dumps({"median_s": figures, "all": rows}, indent=2))


def _measure(federation: Federation, name: str) -> dict[str, float]:
    federation.apply(a_training(name, rounds=3, silos=SILOS))
    began = time.time()
    _wait(lambda: bool(federation.kubectl("get", "job", f"{name}-coordinator-1", "--ignore-not-found", "-o", "name")))
    made = time.time()
    _wait(lambda: federation.condition(name, "CoordinatorReady").get("status") == "True")
    ready = time.time()
    federation.complete(name)
    log = federation.kubectl("logs", federation.coordinator_pod(name), "--container=coordinator")
    with tempfile.TemporaryDirectory() as folder:
        federation.fetch(name, Path(folder))
        events = (Path(folder) / "coordinator" / "progress.jsonl").read_text().splitlines()
    listening = _time_of_event(log, "listening")
    first_round = next(event["time"] for event in map(json.loads, events) if event["event"] == "round")
    imported = next(e["time"] for e in map(json.loads, events) if e.get("phase") in ("WaitingForSilos", "Running"))
    federation.delete(name)
    return {
        "coordinator_job_created": made - began,
        "coordinator_listens": listening - began,
        "coordinator_ready": ready - began,
        "tensorflow_federated_imported": imported - began,
        "first_round_finished": first_round - began,
    }


def _wait(reached: Any) -> None:
    while not reached():
        time.sleep(0.02)


def _time_of_event(log: str, event: str) -> float:
    lines = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    stamp = next(line["timestamp"] for line in lines if line["event"] == event)
    return datetime.datetime.fromisoformat(stamp).timestamp()


if __name__ == "__main__":
    typer.run(main)
