"""The program `evaluate`: computes the metrics of an existing model over all silos and for each silo."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fedjobs_common.digests import digest
from fedjobs_common.programs import EvaluateParameters

from fedjobs_coordinator.programs import evaluation, exports, models, seeds
from fedjobs_coordinator.programs import weights as weight_files
from fedjobs_coordinator.programs.metric_history import History
from fedjobs_coordinator.programs.program_context import ProgramContext
from fedjobs_coordinator.programs.results import write_result


async def run(context: ProgramContext) -> None:
    """Evaluates once, as round 1, and writes the metrics. It saves no state, because it is short and can be repeated.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER if the model or the weights are missing or do not match; errors of the
            context.
    """
    parameters = context.parameters
    if not isinstance(parameters, EvaluateParameters):
        raise TypeError(f"evaluate takes EvaluateParameters, not {type(parameters).__name__}")
    path = Path(parameters.weights)
    model = await asyncio.to_thread(models.build, parameters.model, parameters.seed)
    weights = await asyncio.to_thread(weight_files.read, path, model)
    computations = await asyncio.to_thread(evaluation.build, model, parameters.batch_size)

    selected = context.data(context.job.dataset).iterator().select_seeded(seeds.derived(parameters.seed, 1))
    metrics = await evaluation.evaluate(context, computations, weights, selected)
    History(context.result_dir / exports.METRICS, 0).append(1, metrics)
    result = {"program": "evaluate", "model": {"digest": digest(path.read_bytes()), "files": {}}, "rounds": 1}
    write_result(context.result_dir, {**result, "metrics": metrics})
    context.round_finished(1, metrics)
