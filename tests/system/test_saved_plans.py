"""A program without TensorFlow Federated on real silos: a plan from a file with consent, work and merging."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import fedjobs
import numpy as np
import pytest
import yaml
from fedjobs import runs
from fedjobs_common.digests import digest
from fedjobs_common.processes import registered

from tests.plans import rounds
from tests.plans.planning import pixels

ROUNDS = 3
SILOS = ("here", "there")
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    """The data of each silo: 64 integer pixels for each example."""
    random = np.random.default_rng(5)
    return {
        silo: random.integers(0, 17, (size, 64)).astype(np.float32) for silo, size in zip(SILOS, (5, 3), strict=True)
    }


@pytest.fixture
def job(tmp_path: Path, data: dict[str, np.ndarray]) -> Path:
    """Writes a job's file with a program and its plan, and the file of its silos."""
    (tmp_path / "program").mkdir()
    shutil.copy(Path(rounds.__file__), tmp_path / "program/without_tff.py")
    fedjobs.save_plan(pixels, tmp_path / "program" / rounds.PLAN)
    silos = []
    for silo, rows in data.items():
        columns = {f"p{i}": rows[:, i] for i in range(rows.shape[1])}
        np.savez(tmp_path / f"{silo}.npz", y=np.zeros(len(rows), np.int32), **columns)
        features = {"columns": list(columns)}
        dataset = {"source": {"npz": {"path": f"{silo}.npz"}}, "features": features, "label": "y"}
        silos.append({"silo": silo, "datasets": {"digits": dataset}, "policy": {"datasets": ["digits"]}})
    (tmp_path / "silos.yaml").write_text(yaml.safe_dump_all(silos))
    program = {"entrypoint": "without_tff:main", "source": {"path": "program"}, "parameters": {"rounds": ROUNDS}}
    spec = {"program": program, "dataset": "digits", "silos": {"names": list(SILOS)}}
    manifest = {
        "apiVersion": "fedjobs.dev/v1alpha1",
        "kind": "FederatedJob",
        "metadata": {"name": "pixels"},
        "spec": spec,
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(manifest))
    return tmp_path / "job.yaml"


def test_rounds_run_in_the_silos_and_tensorflow_is_not_imported(job: Path, data: dict[str, np.ndarray]) -> None:
    outcome = runs.run(job, job.with_name("silos.yaml"), job.with_name("run"))
    assert outcome.exit_code == 0, outcome.message

    result = json.loads((outcome.directory / "result/result.json").read_bytes())
    assert result["imported"] == []
    assert result["examples"] == sum(map(len, data.values()))
    total = np.zeros(64, np.float32)
    for number in range(1, ROUNDS + 1):
        summed = [np.zeros(64, np.float32) for _ in SILOS]
        for silo, rows in enumerate(data.values()):
            for row in rows:
                summed[silo] += row * np.float32(1 / number)
        total += summed[0] + summed[1]
    assert result["model"]["digest"] == digest(total.tobytes())
    assert registered(outcome.directory / "processes") == []


def test_a_silo_without_clients_does_not_make_a_cohort_of_the_other_one(job: Path) -> None:
    columns = {f"p{i}": np.zeros(0, np.float32) for i in range(64)}
    np.savez(job.with_name(f"{SILOS[1]}.npz"), y=np.zeros(0, np.int32), **columns)
    manifest = yaml.safe_load(job.read_text())
    manifest["spec"] |= {"cohort": {"minSilos": 2}, "backoffLimit": 0}
    job.write_text(yaml.safe_dump(manifest))
    outcome = runs.run(job, job.with_name("silos.yaml"), job.with_name("run"))
    assert outcome.exit_code == 1
    assert "CohortTooSmall" in outcome.message
    assert f"{SILOS[1]} is Ready (NoClients" in outcome.message
    assert not (outcome.directory / "result/result.json").exists()
