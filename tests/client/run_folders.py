"""Builds a run's folder without a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedjobs.folders import RunFolder
from fedjobs_common.jobs.statuses import Phase, ProgressEvent, RoundEvent, SiloState, SiloStatus, Status

DIGEST = "ab" * 32


class ARun:
    """Builds a run's folder: `ARun(path).with_rounds(2).complete()`."""

    def __init__(self, root: Path) -> None:
        self.folder = RunFolder(root)
        self.folder.coordinator.mkdir(parents=True)
        self.folder.result.mkdir()
        self.folder.job.write_text("{}")

    def with_status(self, **fields: Any) -> ARun:
        self.folder.status.write_text(a_status(**fields).model_dump_json(by_alias=True))
        return self

    def with_events(self, *events: ProgressEvent) -> ARun:
        with self.folder.progress.open("a") as file:
            file.writelines(event.model_dump_json(by_alias=True) + "\n" for event in events)
        return self

    def with_rounds(self, count: int) -> ARun:
        return self.with_events(*(a_round(number) for number in range(1, count + 1)))

    def complete(self) -> ARun:
        model = {"digest": DIGEST, "files": {"weights": "model/weights.safetensors", "keras": "model/model.keras"}}
        self.folder.result_file.write_text(json.dumps({"program": "fedavg", "model": model, "rounds": 2}))
        return self


def a_round(number: int, **fields: Any) -> RoundEvent:
    metrics = {
        "train/accuracy": 0.5 + number / 100,
        "train/num_examples": 1200.0,
        "evaluation/accuracy": 0.25,
        "evaluation/silo/hospital-a/accuracy": 0.125,
    }
    about = {
        "time": 1e9,
        "seconds": 0.25,
        "silos": ["hospital-a", "hospital-b"],
        "bytes_down": 4000,
        "bytes_up": 2_500_000,
    }
    return RoundEvent(round=number, **{**about, "metrics": metrics, **fields})  # type: ignore[arg-type]


def a_status(**fields: Any) -> Status:
    silos = [
        SiloStatus(
            name="hospital-a", state=SiloState.WORKING, activity="running", device="CPU", clients=7, bytes_down=4000
        ),
        SiloStatus(name="hospital-b", state=SiloState.REFUSED, reason="policy.minClients"),
    ]
    about = {"job_uid": "1", "job_name": "digits", "phase": Phase.RUNNING, "generation": 1, "silos": silos}
    return Status(**{**about, **fields})  # type: ignore[arg-type]
