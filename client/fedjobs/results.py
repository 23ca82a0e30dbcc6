"""Reads the result of a run: the metrics of each round, the model's digest and the paths of the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import Phase, RoundEvent

from fedjobs.folders import RunFolder
from fedjobs.status_follower import read_events, read_status


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        directory: The run's folder.
        program: The name of the program, or None while there is no result.
        digest: The BLAKE3 digest of the model's weights as 64 hex digits, or None while there is no model.
        files: The absolute paths of the model by format: `weights`, `savedmodel` and `keras`.
        metrics: One mapping for each round, with `round` and the metrics by their flat names.
        complete: Whether the job is complete.
    """

    directory: Path
    program: str | None
    digest: str | None
    files: Mapping[str, Path]
    metrics: list[dict[str, float]]
    complete: bool

    @property
    def final(self) -> dict[str, float]:
        """The metrics of the last round that has metrics."""
        return {name: value for name, value in self.metrics[-1].items() if name != "round"} if self.metrics else {}

    def load_model(self) -> Any:
        """Loads the trained Keras model. Requires TensorFlow.

        Raises:
            FedjobsError: INVALID_JOB if the run has no model in the Keras format.
        """
        if "keras" not in self.files:
            raise FedjobsError(
                ErrorCode.INVALID_JOB,
                f"{self.directory} has no model in the format 'keras'.",
                "Wait until the run is complete, and add keras to spec.output.format of the job.",
            )
        import tensorflow as tf  # takes seconds, and most uses of a result do not need it

        return tf.keras.models.load_model(self.files["keras"])

    def as_json(self) -> dict[str, Any]:
        """Returns what `fedjobs result --json` prints. The fields are a public interface."""
        model = None
        if self.digest is not None:
            model = {"digest": self.digest, "files": {form: str(path) for form, path in self.files.items()}}
        return {"complete": self.complete, "program": self.program, "model": model, "metrics": self.metrics}


def read(directory: Path) -> RunResult:
    """Reads the result of a run, complete or not.

    Args:
        directory: The run's folder.

    Raises:
        FedjobsError: INVALID_JOB if it is not the folder of a run, or if its result cannot be read.
    """
    folder = of_a_run(directory)
    result = _result(folder.result_file)
    model = (result or {}).get("model") or {}
    files = {form: folder.result / path for form, path in model.get("files", {}).items()}
    return RunResult(
        directory=folder.root,
        program=(result or {}).get("program"),
        digest=model.get("digest"),
        files=files,
        metrics=_history(folder),
        complete=is_complete(folder),
    )


def is_complete(folder: RunFolder) -> bool:
    """Returns whether the run is complete. A custom program may write no `result.json`, so the status counts too."""
    status = read_status(folder.coordinator)
    return folder.result_file.exists() or (status is not None and status.phase is Phase.COMPLETE)


def of_a_run(directory: Path) -> RunFolder:
    """Returns the paths of an existing run's folder.

    Raises:
        FedjobsError: INVALID_JOB if it is not the folder of a run.
    """
    folder = RunFolder(directory.absolute())
    if not (folder.job.exists() or folder.coordinator.exists() or folder.result.exists()):
        what = f"{directory} is not the folder of a run" + ("." if directory.exists() else ": it does not exist.")
        raise FedjobsError(ErrorCode.INVALID_JOB, what, "Give the folder that fedjobs run got with --out.")
    return folder


def _result(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        remedy = "Run the job again in a new folder."
        raise FedjobsError(ErrorCode.INVALID_JOB, f"{path} is not a result: {error}.", remedy) from error
    if not isinstance(content, dict):
        raise FedjobsError(ErrorCode.INVALID_JOB, f"{path} is not a result.", "Run the job again in a new folder.")
    return content


def _history(folder: RunFolder) -> list[dict[str, float]]:
    """Returns the metrics in `metrics.jsonl`, or the metrics of the progress events if the program wrote no file."""
    rounds: dict[int, dict[str, float]] = {}
    for event in read_events(folder.coordinator):
        if isinstance(event, RoundEvent):  # a round that ran again after a crash has two events; the later one wins
            rounds[event.round] = {"round": event.round, **event.metrics}
    written = _lines(folder.result / "metrics.jsonl")
    return written or [rounds[number] for number in sorted(rounds)]


def _lines(path: Path) -> list[dict[str, float]]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    rounds = {}
    for line in lines:
        try:
            entry = json.loads(line)
            rounds[int(entry["round"])] = entry
        except (ValueError, KeyError, TypeError):
            continue  # an incomplete line that is still being written
    return [rounds[number] for number in sorted(rounds)]
