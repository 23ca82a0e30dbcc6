"""Metrics by name: which of them are shown, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_OF_A_SILO = "evaluation/silo/"
# How much there was says nothing about how good the model is.
_COUNTS = ("num_examples", "num_batches")
# What a person looks for first comes first; a metric that is not here comes after these.
_ORDER = ("accuracy", "auc", "loss")


def overall(metrics: Iterable[str]) -> list[str]:
    """The names over all silos, evaluation before training."""
    return sorted({name for name in metrics if not name.startswith(_OF_A_SILO)}, key=_rank)


def telling(metrics: Iterable[str]) -> list[str]:
    """Those over all silos that change while a model learns; no mere counts."""
    return [name for name in overall(metrics) if not is_count(name)]


def is_count(name: str) -> bool:
    """Whether a metric only says how much there was."""
    return name.endswith(_COUNTS)


def per_silo(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """`{silo: {metric: value}}` of what was evaluated for each silo."""
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if name.startswith(_OF_A_SILO):
            silo, _, metric = name.removeprefix(_OF_A_SILO).partition("/")
            found.setdefault(silo, {})[metric] = value
    return found


def ordered(names: Iterable[str]) -> list[str]:
    """Names without a prefix, in the order in which they are shown."""
    return sorted(set(names), key=_rank)


def _rank(name: str) -> tuple[int, int, str]:
    group, _, metric = name.rpartition("/")
    position = next((place for place, known in enumerate(_ORDER) if known in metric), len(_ORDER))
    return (0 if group == "evaluation" else 1, position, name)
