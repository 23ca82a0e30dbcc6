"""Builds jobs as users write them."""

from __future__ import annotations

import copy
from typing import Any

_JOB: dict[str, Any] = {
    "apiVersion": "fedjobs.dev/v1alpha1",
    "kind": "FederatedJob",
    "metadata": {"name": "digits"},
    "spec": {
        "program": {
            "name": "fedavg",
            "parameters": {
                "rounds": 20,
                "seed": 7,
                "model": {
                    "keras": {
                        "input": [64],
                        "layers": [{"Dense": {"units": 64, "activation": "relu"}}, {"Dense": {"units": 10}}],
                    },
                    "loss": "sparse_categorical_crossentropy",
                    "metrics": ["accuracy"],
                },
                "client": {"learningRate": 0.05},
            },
        },
        "dataset": "digits",
        "silos": {"names": ["hospital-a", "hospital-b"]},
    },
}


def a_job(**changes: Any) -> dict[str, Any]:
    """Returns a valid job with some fields of its spec replaced."""
    job = copy.deepcopy(_JOB)
    job["spec"].update(changes)
    return job


def a_job_with(path: str, value: Any) -> dict[str, Any]:
    """Returns a valid job with one field set: `spec.cohort.minSilos`."""
    job = copy.deepcopy(_JOB)
    *parents, last = path.split(".")
    place = job
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return job
