"""Each silo counts its own clients: a silo without any, one that is a single client, and one with several."""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import fedjobs
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
import yaml
from fedjobs import runs

from tests.plans import all_plans

pytestmark = pytest.mark.processes
ROWS = {"empty": [], "single": [(1, "a"), (2, "b")], "several": [(4, "a"), (8, "b"), (16, "a"), (32, "c")]}
SUMS = np.array([1 + 2, 4 + 16, 8, 32], np.float64)
"""The sum of each client. The silo `single` names no column of clients, so it is one client."""
EXAMPLES = tff.SequenceType(tff.to_type(OrderedDict(x=tff.TensorType(np.float32, [1]), y=tff.TensorType(np.int32))))
AT_CLIENTS = tff.FederatedType(EXAMPLES, tff.CLIENTS)


@tff.tensorflow.computation(EXAMPLES)
def one(examples: Any) -> Any:
    del examples
    return tf.constant(1)


@tff.tensorflow.computation(EXAMPLES)
def total(examples: Any) -> Any:
    return examples.reduce(0.0, lambda total, example: total + example["x"][0])


@tff.tensorflow.computation(np.float32, np.float32)
def squared_difference(value: Any, mean: Any) -> Any:
    return (value - mean) ** 2


@tff.federated_computation(AT_CLIENTS)
def number_of_clients(examples: Any) -> Any:
    return tff.federated_sum(tff.federated_map(one, examples))


@tff.federated_computation(AT_CLIENTS)
def variance(examples: Any) -> Any:
    """Has two stages. The silos keep the sum of each client."""
    totals = tff.federated_map(total, examples)
    mean = tff.federated_broadcast(tff.federated_mean(totals))
    return tff.federated_mean(tff.federated_map(squared_difference, (totals, mean)))


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "program").mkdir()
    shutil.copy(Path(all_plans.__file__), tmp_path / "program/all_plans.py")
    fedjobs.save_plan(number_of_clients, tmp_path / "program/number.plan")
    fedjobs.save_plan(variance, tmp_path / "program/variance.plan")
    silos = []
    for silo, rows in ROWS.items():
        values, clients = [row[0] for row in rows], [row[1] for row in rows]
        arrays = {"v": np.array(values, np.float32), "c": np.array(clients, "U1"), "y": np.zeros(len(rows), np.int32)}
        np.savez(tmp_path / f"{silo}.npz", **arrays)
        dataset: dict[str, Any] = {"source": {"npz": {"path": f"{silo}.npz"}}, "features": {"columns": ["v"]}}
        dataset["label"] = "y"
        if silo != "single":
            dataset["clients"] = {"column": "c"}
        silos.append({"silo": silo, "datasets": {"rows": dataset}, "policy": {"datasets": ["rows"]}})
    (tmp_path / "silos.yaml").write_text(yaml.safe_dump_all(silos))
    manifest = {
        "apiVersion": "fedjobs.dev/v1alpha1",
        "kind": "FederatedJob",
        "metadata": {"name": "clients"},
        "spec": {
            "program": {"entrypoint": "all_plans:main", "source": {"path": "program"}},
            "dataset": "rows",
            "silos": {"names": list(ROWS)},
            "cohort": {"minSilos": 2},
        },
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(manifest))
    return tmp_path / "job.yaml"


def test_silos_with_no_one_and_several_clients_together_have_the_result_of_numpy(job: Path) -> None:
    outcome = runs.run(job, job.with_name("silos.yaml"), job.with_name("run"))
    assert outcome.exit_code == 0, outcome.message
    results = json.loads((outcome.directory / "result/result.json").read_bytes())["results"]
    assert results["number"]["value"] == len(SUMS)
    assert results["variance"]["value"] == pytest.approx(np.var(SUMS), rel=1e-6)
    for silo in ("single", "several"):
        log = (outcome.directory / "silos" / silo / "audit.jsonl").read_text().splitlines()
        counted = [e["clients"] for e in map(json.loads, log) if e["subject"] == "result"]
        assert counted == [1 if silo == "single" else 3] * 3
