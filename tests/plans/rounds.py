"""An entry point that imports no TensorFlow Federated: each round, silos add up their examples' pixels, times a factor.

It is what tests of a job's life run: with real silos, work and consent, and a coordinator that starts in a second. It
stands next to `pixels.plan`, and has one parameter, `rounds`.

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
    """The same rounds give the same total, to the bit, whoever was killed on the way."""
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
