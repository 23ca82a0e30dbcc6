"""Chooses which metrics are shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_OF_A_SILO = "evaluation/silo/"
# Counts say nothing about the quality of the model.
_COUNTS = ("num_examples", "num_batches")
# The most important metrics come first. Other metrics follow.
_ORDER = ("accuracy", "auc", "loss")


def overall(metrics: Iterable[str]) -> list[str]:
    """Returns the names of the metrics over all silos, evaluation before training."""
    return sorted({name for name in metrics if not name.startswith(_OF_A_SILO)}, key=_rank)


def telling(metrics: Iterable[str]) -> list[str]:
    """Returns the names of the metrics over all silos, without the counts."""
    return [name for name in overall(metrics) if not is_count(name)]


def is_count(name: str) -> bool:
    """Returns whether a metric is a number of examples or batches."""
    return name.endswith(_COUNTS)


def per_silo(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Returns the metrics that were evaluated for each silo, as `{silo: {metric: value}}`."""
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if name.startswith(_OF_A_SILO):
            silo, _, metric = name.removeprefix(_OF_A_SILO).partition("/")
            found.setdefault(silo, {})[metric] = value
    return found


def ordered(names: Iterable[str]) -> list[str]:
    """Returns names without a prefix in the order in which they are shown."""
    return sorted(set(names), key=_rank)


def _rank(name: str) -> tuple[int, int, str]:
    group, _, metric = name.rpartition("/")
    position = next((place for place, known in enumerate(_ORDER) if known in metric), len(_ORDER))
    return (0 if group == "evaluation" else 1, position, name)
