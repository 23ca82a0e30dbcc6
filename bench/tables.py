"""Prints the rows of the benchmark as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.results import Row

_COLUMNS = {
    "payload": "payload",
    "silos": "silos",
    "round_s": "round",
    "limit_s": "limit",
    "ratio_to_limit": "of limit",
    "stock_round_s": "stock",
    "ratio_to_stock": "x stock",
    "peak_bytes": "peak",
    "peak_over_idle_x_payload": "x payload",
}


_CAPTION = (
    "Medians. limit: the same bytes over bare gRPC and mutual TLS; of limit: this system's speed as a fraction of it. "
    "stock: TFF's local runtime; x stock: this system's speed as a multiple of it. "
    "peak: the coordinator's memory; x payload: its increase over idle, in payloads."
)


def table(rows: Iterable[Row]) -> Table:
    made = Table(
        title="A round: broadcast, add one in each silo, federated_sum",
        caption=_CAPTION,
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    for key, title in _COLUMNS.items():
        made.add_column(title, justify="left" if key == "payload" else "right")
    for row in rows:
        made.add_row(*(cell(key, row[key]) for key in _COLUMNS))
    return made


def cell(key: str, value: str | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if key.endswith("_s"):
        return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
    if key.endswith("_bytes"):
        return f"{value / 1024**2:.0f}M"
    return str(value) if isinstance(value, int) else f"{value:.2f}"
