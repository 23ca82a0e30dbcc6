"""A row of the benchmark: the measurements for one payload and one number of silos, and derived values."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from bench.payloads import Payload

Row = dict[str, str | int | float | None]


def row(payload: Payload, silos: int, seconds: Mapping[str, Sequence[float]], memory: Mapping[str, float]) -> Row:
    """Returns a row of the JSON that the benchmark writes. Values that were not measured are null.

    Args:
        payload: The vector that was broadcast, and summed over the silos.
        silos: The number of silos.
        seconds: The times of all rounds, by part (`system`, `limit`, `stock`). The row compares medians.
        memory: `idle` and `peak` of the coordinator's process, in bytes.
    """
    median = {part: statistics.median(times) if times else None for part, times in seconds.items()}
    this, limit, stock = (median.get(part) for part in ("system", "limit", "stock"))
    over = memory["peak"] - memory["idle"] if memory else None
    return {
        "payload": payload.label,
        "payload_bytes": payload.size,
        "silos": silos,
        "rounds": len(seconds.get("system", ())),
        "round_s": this,
        "round_worst_s": max(seconds.get("system", ()), default=None),
        "limit_s": limit,
        "ratio_to_limit": limit / this if this and limit else None,
        "stock_round_s": stock,
        "ratio_to_stock": stock / this if this and stock else None,
        "idle_bytes": memory.get("idle"),
        "peak_bytes": memory.get("peak"),
        "peak_over_idle_x_payload": over / payload.size if over is not None else None,
    }
