"""Flattens metrics, and stores their history on disk."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fedjobs_common.files import full_disk_named, write_atomically


def flat(metrics: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """Flattens metrics: `{"accuracy": array(0.5)}` becomes `{"train/accuracy": 0.5}`.

    Values that are not finite numbers are dropped, because JSON does not support them.
    """
    numbers = {f"{prefix}/{name}": float(np.asarray(value)) for name, value in metrics.items() if np.ndim(value) == 0}
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


class History:
    """The file `metrics.jsonl`, with one line for each round.

    Args:
        path: The file. Its folder is created if necessary.
        rounds: The number of completed rounds. Lines of later rounds, whose state was lost in a crash, are dropped.
    """

    def __init__(self, path: Path, rounds: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().splitlines() if path.exists() else []
        entries = [entry for line in lines if (entry := _parsed(line)) is not None and entry["round"] <= rounds]
        self._last = max((entry["round"] for entry in entries), default=0)
        write_atomically(path, b"".join(map(_line, entries)), durable=True, mode=0o644)

    def append(self, round_number: int, metrics: Mapping[str, float]) -> None:
        """Writes the metrics of a round durably. Ignores a round that is not after the last one."""
        if round_number <= self._last:
            return
        with full_disk_named(self._path), self._path.open("ab") as file:
            file.write(_line({"round": round_number, **metrics}))
            file.flush()
            os.fsync(file.fileno())
        self._last = round_number


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry
