"""Writes `result.json`, the last file of a program's result. If it exists, the result is complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedjobs_common.files import write_atomically

RESULT = "result.json"


def write_result(result_dir: Path, result: Mapping[str, Any]) -> None:
    """Writes `result.json` durably. A program must do this last."""
    result_dir.mkdir(parents=True, exist_ok=True)
    content = json.dumps(result, indent=2).encode() + b"\n"
    write_atomically(result_dir / RESULT, content, durable=True, mode=0o644)
