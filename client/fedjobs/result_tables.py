"""The tables of `fedjobs result`."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from fedjobs import amounts, metrics
from fedjobs.cells import cell, heading
from fedjobs.results import RunResult

_FORMS = {"weights": "weights", "savedmodel": "SavedModel", "keras": "Keras"}


def drawn(result: RunResult) -> RenderableType:
    """Returns the metrics of each round, and the metrics of each silo in the last round."""
    parts: list[RenderableType] = []
    names = metrics.overall(name for entry in result.metrics for name in entry if name != "round")
    if names:
        parts.append(_by_round(result.metrics, names))
    if silos := metrics.per_silo(result.final):
        parts.append(_by_silo(silos))
    return Group(*parts)


def places(result: RunResult) -> dict[str, str]:
    """Returns the model's digest and paths by title."""
    if result.digest is None:
        return {}
    return {"digest": result.digest} | {_FORMS.get(form, form): str(path) for form, path in result.files.items()}


def _by_round(rounds: list[dict[str, float]], names: list[str]) -> Table:
    table = Table(header_style="bold", border_style="dim")
    for title in ("round", *names):
        table.add_column(heading(title), justify="right")
    for entry in rounds:
        table.add_row(str(int(entry["round"])), *(_value(entry.get(name)) for name in names))
    return table


def _by_silo(silos: dict[str, dict[str, float]]) -> Table:
    names = metrics.ordered(name for values in silos.values() for name in values)
    table = Table(title="evaluation by silo", title_justify="left", header_style="bold", border_style="dim")
    table.add_column("silo")
    for name in names:
        table.add_column(cell(name), justify="right")
    for silo, values in sorted(silos.items()):
        table.add_row(cell(silo), *(_value(values.get(name)) for name in names))
    return table


def _value(value: float | None) -> str:
    return "" if value is None else amounts.number(value)
