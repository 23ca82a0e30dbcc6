"""The program `fedavg`: trains a model on the silos' data by federated averaging."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import PATH, FedAvgParameters

from fedjobs_coordinator.programs import evaluation, exports, losses, models, seeds, training
from fedjobs_coordinator.programs.evaluation import Evaluation
from fedjobs_coordinator.programs.metric_history import History, flat
from fedjobs_coordinator.programs.models import FederatedModel
from fedjobs_coordinator.programs.program_context import ProgramContext
from fedjobs_coordinator.programs.training import Training


async def run(context: ProgramContext) -> None:
    """Runs the remaining rounds and writes the result.

    An interrupted run that continues from its last saved state gives the same bits.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER if the model cannot be built; PROGRAM_FAILED if the training diverged;
            errors of the context.
    """
    parameters = context.parameters
    if not isinstance(parameters, FedAvgParameters):
        raise TypeError(f"fedavg takes FedAvgParameters, not {type(parameters).__name__}")
    # Building takes seconds and must not block the event loop.
    model = await asyncio.to_thread(models.build, parameters.model, parameters.seed)
    process = await asyncio.to_thread(training.build, model, parameters)
    assessment = await asyncio.to_thread(_evaluation, model, parameters)
    formats = context.job.output_formats
    await asyncio.to_thread(exports.rehearse, context.result_dir, model=model, formats=formats)

    loaded = await context.load()
    done, state = loaded if loaded is not None else (0, await context.run(process.initialize))
    history = History(context.result_dir / exports.METRICS, done)
    examples = context.data(context.job.dataset).iterator()
    for number in range(done + 1, parameters.rounds + 1):
        selected = examples.select_seeded(seeds.derived(parameters.seed, number))
        state, measured = await context.run(process.next, state, selected)
        metrics = _training_metrics(number, measured, model.label_range)
        if assessment is not None and _is_evaluated(parameters, number):
            metrics |= await _evaluate(context, parameters, process, assessment, state, number)
        history.append(number, metrics)
        await context.save(number, state)
        context.round_finished(number, metrics)

    weights = await context.run(process.model_weights, state)
    await asyncio.to_thread(
        exports.export,
        context.result_dir,
        program="fedavg",
        model=model,
        weights=weights,
        rounds=parameters.rounds,
        formats=formats,
    )


def _training_metrics(number: int, measured: Mapping[str, Any], label_range: str) -> dict[str, float]:
    """Returns the flat metrics of a round.

    Raises:
        FedjobsError: PROGRAM_FAILED if no client had a usable update, the weights are not finite, or labels do not fit
            the loss. Further rounds would fail in the same way.
    """
    clients, left_out = int(measured["clients"]), int(measured["left_out"])
    remedy = f"Lower {PATH}.client.learningRate or {PATH}.server.learningRate, or look for NaN in the silos' data."
    if left_out == clients:
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED,
            f"In round {number}, none of the {clients} clients had examples and a finite update.",
            remedy,
        )
    if not measured["finite"]:
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED, f"In round {number}, the global model's weights became infinite or NaN.", remedy
        )
    counts = {"train/clients": float(clients), "train/clientsLeftOut": float(left_out)}
    return losses.labels_checked(flat(measured["train"], "train"), "train", label_range) | counts


def _evaluation(model: FederatedModel, parameters: FedAvgParameters) -> Evaluation | None:
    return None if parameters.evaluation is None else evaluation.build(model, parameters.evaluation.batch_size)


def _is_evaluated(parameters: FedAvgParameters, number: int) -> bool:
    every = parameters.evaluation.every_rounds if parameters.evaluation else 1
    return number % every == 0 or number == parameters.rounds


async def _evaluate(
    context: ProgramContext,
    parameters: FedAvgParameters,
    process: Training,
    assessment: Evaluation,
    state: Any,
    number: int,
) -> dict[str, float]:
    dataset = parameters.datasets(context.job.dataset)[-1]
    weights = await context.run(process.model_weights, state)
    examples = context.data(dataset).iterator().select_seeded(seeds.derived(parameters.seed, number))
    return await evaluation.evaluate(context, assessment, weights, examples)
