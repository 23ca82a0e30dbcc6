"""An entry point without TensorFlow Federated. In each round, silos sum their examples' pixels times a factor.

Tests of a job's life cycle run it with real silos, work and consent, and a coordinator that starts in a second. It is
next to `pixels.plan`, and has one parameter, `rounds`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from fedjobs_common.digests import digest
from fedjobs_compute import plan_files
from fedjobs_coordinator.program_runs import ProgramRun

PLAN = "pixels.plan"


async def main(run: ProgramRun) -> None:
    """The same number of rounds gives the same total bit by bit, whichever process was killed."""
    rounds = int(run.job.program.parameters["rounds"])
    plan = plan_files.load(Path(__file__).with_name(PLAN))
    done, state = await run.load() or (0, {"total": np.zeros(64, np.float32), "examples": np.int64(0)})
    total, examples = np.asarray(state["total"]), int(state["examples"])
    for number in range(done + 1, rounds + 1):
        summed = await run.run_plan(plan, np.float32(1 / number), run.select(run.job.dataset, number))
        total, examples = total + summed["pixels"], int(summed["examples"])
        await run.save(number, {"total": total, "examples": np.int64(examples)})
        run.round_finished(number, {"examples": float(examples)})
    model = {"digest": digest(total.tobytes()), "files": {}}
    imported = sorted({"tensorflow", "tensorflow_federated"} & set(sys.modules))
    run.write_result(
        {"program": "rounds", "rounds": rounds, "examples": examples, "model": model, "imported": imported}
    )
