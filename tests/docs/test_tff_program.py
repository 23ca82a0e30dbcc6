"""TFF's training loop, as on the page, gives the same model and metrics if its coordinator is killed repeatedly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import yaml

from tests.docs.pages import blocks
from tests.docs.test_program_page import PAGE, ROWS, write_files

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]
RATE, BATCH = 0.02, 2  # as on the page
KILLS = [
    "after the first state is saved",
    "when round 2 has reports, and its state is not saved",
    "when the state of round 2 is saved, and its metrics are not published",
    "when the model is released",
    "when the program has returned from TFF's loop",
]

DISTURBED = '''
import os
import signal
from pathlib import Path

import training
import tensorflow_federated as tff

KILLS = Path(__file__).parent / "kills"


def kill(name):
    """Ends this process at its first call with a name."""
    if not (KILLS / name).exists():
        (KILLS / name).touch()
        os.kill(os.getpid(), signal.SIGKILL)


class States(tff.program.ProgramStateManager):
    def __init__(self, states):
        self.states = states

    async def get_versions(self):
        return await self.states.get_versions()

    async def load(self, version, structure):
        return await self.states.load(version, structure)

    async def save(self, state, version):
        if version == 2:
            kill("when round 2 has reports, and its state is not saved")
        await self.states.save(state, version)
        if version == 0:
            kill("after the first state is saved")


class Files(tff.program.ReleaseManager):
    def __init__(self, files):
        self.files = files

    async def release(self, value, key):
        kill("when the model is released")
        await self.files.release(value, key)


class Run:
    """The program's run, in which the process is killed."""

    def __init__(self, run):
        self.run = run
        finished = run.round_finished

        def round_finished(number, metrics):
            if number == 2:
                kill("when the state of round 2 is saved, and its metrics are not published")
            finished(number, metrics)

        run.round_finished = round_finished

    def __getattr__(self, name):
        return getattr(self.run, name)

    def state_manager(self):
        return States(self.run.state_manager())

    def files_manager(self):
        return Files(self.run.files_manager())

    def write_result(self, result):
        kill("when the program has returned from TFF's loop")
        self.run.write_result(result)


async def main(run):
    await training.main(Run(run))
'''


def run(folder: Path, entrypoint: str) -> Path:
    """Runs the program on the page, and returns the folder of the result."""
    folder.mkdir()
    write_files(folder)
    program = next(block.text for block in blocks(PAGE) if block.text.startswith("# training.py"))
    (folder / "training.py").write_text(program)
    (folder / "disturbed.py").write_text(DISTURBED)
    (folder / "kills").mkdir()
    job = yaml.safe_load((folder / "job.yaml").read_text())
    job["spec"]["program"]["entrypoint"] = entrypoint
    job["spec"]["backoffLimit"] = len(KILLS)
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    command = [sys.executable, "-m", "fedjobs.cli", "run", "job.yaml", "--silos", "silos.yaml", "--out", "run"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "run" / "result"


def averaged(rounds: int) -> tuple[float, float]:
    """Returns the line after federated averaging: each client makes a step for each batch, in order."""
    slope = intercept = 0.0
    for _ in range(rounds):
        ends = []
        for rows in ROWS.values():
            own = np.array([slope, intercept])
            for start in range(0, len(rows), BATCH):
                x, y = np.array(rows[start : start + BATCH]).T
                error = own[0] * x + own[1] - y
                own = own - RATE * 2 * np.array([np.mean(error * x), np.mean(error)])
            ends.append(own)
        slope, intercept = np.average(ends, axis=0, weights=[len(rows) for rows in ROWS.values()])
    return slope, intercept


def test_a_coordinator_that_is_killed_at_five_moments_gives_the_same_model(tmp_path: Path) -> None:
    undisturbed, disturbed = (
        run(tmp_path / "undisturbed", "training:main"),
        run(tmp_path / "disturbed", "disturbed:main"),
    )
    assert sorted(path.name for path in (tmp_path / "disturbed" / "kills").iterdir()) == sorted(KILLS)
    name = "training_checkpoint_round_3.safetensors"
    assert (disturbed / name).read_bytes() == (undisturbed / name).read_bytes()
    assert (disturbed / "metrics.jsonl").read_bytes() == (undisturbed / "metrics.jsonl").read_bytes()
    lines = [json.loads(line) for line in (disturbed / "metrics.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == [1, 2, 3]
    assert [line["model_metrics/num_examples"] for line in lines] == [5, 5, 5]
    weights = safetensors.numpy.load_file(undisturbed / name)
    found = [weights[f"global_model_weights/trainable/{i}"].item() for i in range(2)]
    np.testing.assert_allclose(found, averaged(3), rtol=1e-5)
