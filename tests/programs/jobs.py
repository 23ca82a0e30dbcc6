"""Builds parameters of programs, with changed fields."""

from __future__ import annotations

import copy
from typing import Any

_FEDAVG: dict[str, Any] = {
    "rounds": 3,
    "seed": 7,
    "model": {
        "keras": {"input": [4], "layers": [{"Dense": {"units": 8, "activation": "relu"}}, {"Dense": {"units": 3}}]},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    },
    "client": {"optimizer": "sgd", "learningRate": 0.2, "batchSize": 8, "epochs": 2},
}


def fedavg(**changes: Any) -> dict[str, Any]:
    """Returns parameters of fedavg. `fedavg(client__learningRate=-1)` changes one field, and `None` removes it."""
    result = copy.deepcopy(_FEDAVG)
    for path, value in changes.items():
        *parents, name = path.split("__")
        target = result
        for parent in parents:
            target = target.setdefault(parent, {})
        if value is None:
            target.pop(name)
        else:
            target[name] = value
    return result


def layers(*items: Any) -> dict[str, Any]:
    """Returns parameters of fedavg with these layers."""
    return {"model__keras": {"input": [4], "layers": list(items)}}
