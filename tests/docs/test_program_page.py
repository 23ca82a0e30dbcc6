"""The program on the page runs as described, and finds the same line as NumPy over all rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "program.md"
FILES = {"# regression.py": "regression.py", "# job": "job.yaml", "# silos": "silos.yaml"}
ROWS = {"clinic-a": [(1.0, 3.0), (2.0, 5.0), (3.0, 6.5)], "clinic-b": [(4.0, 9.0), (5.0, 10.5)]}


def line_over_all_rows(rounds: int, rate: float) -> tuple[float, float]:
    x, y = np.array([row for rows in ROWS.values() for row in rows]).T
    slope = intercept = 0.0
    for _ in range(rounds):
        error = slope * x + intercept - y
        slope, intercept = slope - rate * np.mean(error * x), intercept - rate * np.mean(error)
    return slope, intercept


def write_files(folder: Path) -> None:
    for block in blocks(PAGE):
        if file := FILES.get(block.text.splitlines()[0]):
            (folder / file).write_text(block.text)
    for silo, rows in ROWS.items():
        lines = ["height,weight", *(f"{height},{weight}" for height, weight in rows)]
        (folder / f"{silo}.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.processes
def test_the_program_on_the_page_finds_the_line(tmp_path: Path) -> None:
    write_files(tmp_path)
    command = [sys.executable, "-m", "fedjobs.cli", "run", "job.yaml", "--silos", "silos.yaml", "--out", "run"]
    ended = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads((tmp_path / "run" / "result" / "line.json").read_text())
    parameters = yaml.safe_load((tmp_path / "job.yaml").read_text())["spec"]["program"]["parameters"]
    slope, intercept = line_over_all_rows(parameters["rounds"], parameters["learningRate"])
    np.testing.assert_allclose([found["slope"], found["intercept"]], [slope, intercept], rtol=1e-5)
