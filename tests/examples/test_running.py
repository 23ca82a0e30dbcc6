"""Runs an example from its files to its result, with all real processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fedjobs import results, runs
from fedjobs_common.jobs.statuses import ProgressEvent, SiloEvent, SiloState
from fedjobs_common.processes import registered

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "breast-cancer"


@pytest.mark.processes
def test_a_silo_with_a_malformed_row_says_so_and_the_others_continue(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLE / "prepare.py", "--out", tmp_path / "data"], check=True)
    for name in ("job.yaml", "silos.yaml"):
        (tmp_path / name).write_bytes((EXAMPLE / name).read_bytes())
    events: list[ProgressEvent] = []
    outcome = runs.run(tmp_path / "job.yaml", tmp_path / "silos.yaml", tmp_path / "run", on_event=events.append)
    assert outcome.exit_code == 0, outcome.message

    refused = [event for event in events if isinstance(event, SiloEvent) and event.state is SiloState.REFUSED]
    assert {event.silo for event in refused} == {"clinic-d"}
    assert refused[0].reason == "DataMalformed"
    assert "clinic-d/train.csv, row 17, column 'mean_area'" in refused[0].message

    result = results.read(outcome.directory)
    assert result.metrics[-1]["round"] == 15
    assert result.metrics[-1]["evaluation/accuracy"] > 0.9
    assert registered(outcome.directory / "processes") == []


@pytest.mark.processes
def test_a_computation_with_two_exchanges_gives_the_numbers_of_numpy(tmp_path: Path) -> None:
    example = EXAMPLES / "custom"
    subprocess.run([sys.executable, example / "prepare.py", "--out", tmp_path / "data"], check=True)
    for name in ("job.yaml", "silos.yaml", "spread.py"):
        (tmp_path / name).write_bytes((example / name).read_bytes())
    outcome = runs.run(tmp_path / "job.yaml", tmp_path / "silos.yaml", tmp_path / "run")
    assert outcome.exit_code == 0, outcome.message
    means = [mean for file in sorted(tmp_path.glob("data/*/pressures.csv")) for mean in means_of_patients(file)]
    found = results.read(outcome.directory).metrics[-1]
    assert found["mean"] == pytest.approx(np.mean(means), rel=1e-6)
    assert found["standardDeviation"] == pytest.approx(np.std(means), rel=1e-5)
    text = (example / "README.md").read_text()
    assert f"The mean is {np.mean(means):.1f}, and the standard deviation is {np.std(means):.1f}." in text


def means_of_patients(file: Path) -> list[float]:
    patients, pressures = np.loadtxt(file, delimiter=",", skiprows=1).T
    return [float(np.mean(pressures[patients == patient])) for patient in np.unique(patients)]
