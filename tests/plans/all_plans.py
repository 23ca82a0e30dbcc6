"""An entry point without TensorFlow Federated. It runs each plan in its folder once over the silos' own data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fedjobs_compute import plan_files
from fedjobs_coordinator.program_runs import ProgramRun


async def main(run: ProgramRun) -> None:
    """Writes the results by the names of the plans."""
    results = {}
    for path in sorted(Path(__file__).parent.glob("*.plan")):
        values = await run.run_plan(plan_files.load(path), run.select(run.job.dataset))
        results[path.stem] = {name: np.asarray(value).tolist() for name, value in values.items()}
    run.write_result({"program": "all plans", "results": results, "model": {"digest": "", "files": {}}})
