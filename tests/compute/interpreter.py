"""The reference for exactness: runs a plan sequentially in this process with plain TensorFlow.

It uses no silos, no network and no files: it computes zero, then every client in order, then the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_compute.graphs import LoadedProgram
from fedjobs_compute.planner.leaves import leaves_of
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.planner.python_values import from_leaves, parts, to_leaves
from fedjobs_compute.plans import CoordinatorProgram, Plan, Stage
from fedjobs_compute.shards import LoadedShard
from fedjobs_compute.tensors import to_array, to_tensor
from fedjobs_worker.runner.tensors import of_leaf


class Interpreter:
    """Runs one computation. CLIENTS-placed arguments are lists with one value per client."""

    def __init__(self, computation: tff.Computation) -> None:
        self.plan: Plan[tff.Type] = plan(computation)
        self._type = computation.type_signature
        self._shards = [LoadedShard(stage.shard) for stage in self.plan.stages]

    def __call__(self, *arguments: Any) -> Any:
        argument = arguments[0] if len(arguments) == 1 else list(arguments)
        environment: dict[str, Any] = {}
        clients: dict[int, list[list[Any]]] = {}
        for i, parameter in enumerate(self.plan.parameters):
            value = self._pick(argument, parameter.path)
            if parameter.at_clients:
                clients[i] = [_tensors(v, parameter.type.member) for v in value]
            else:
                tensors = map(to_tensor, to_leaves(value, parameter.type))
                environment |= dict(zip(parameter.leaves, tensors, strict=True))
        kept: list[list[list[Any]]] = []  # by stage, client and output
        self._server(self.plan.server_logic[0], environment)
        for stage, shard, logic in zip(self.plan.stages, self._shards, self.plan.server_logic[1:], strict=True):
            kept.append(self._stage(stage, shard, clients, kept, environment))
            self._server(logic, environment)
        return from_leaves([to_array(environment[name]) for name in self.plan.result], self.plan.result_type)

    def _pick(self, value: Any, path: tuple[int, ...]) -> Any:
        type_ = self._type.parameter
        for position in path:
            value, type_ = parts(value, type_)[position], type_[position]
        return value

    def _stage(
        self,
        stage: Stage,
        shard: LoadedShard,
        clients: dict[int, list[list[Any]]],
        kept: list[list[list[Any]]],
        environment: dict[str, Any],
    ) -> list[list[Any]]:
        """Runs a stage. Returns the values that it keeps of each client."""
        count = len(next(iter(clients.values()))) if clients else 0
        values = [
            [
                *(clients[s.parameter][c][s.leaf] for s in stage.client_inputs),
                *(kept[s.stage][c][s.output] for s in stage.kept_inputs),
            ]
            for c in range(count)
        ]
        keeps: list[list[Any]] = []

        def keep(outputs: Sequence[Any]) -> None:
            arrays = zip(map(to_array, outputs), stage.kept_outputs, strict=True)
            keeps.append([of_leaf(array, type_, tf.convert_to_tensor) for array, type_ in arrays])

        accumulators = shard.run([environment[name] for name in stage.broadcasts], values, keep)
        inputs = environment | dict(zip(stage.left, accumulators, strict=True))
        outputs = LoadedProgram(stage.report.program, f"report/{stage.digest}")(
            [inputs[n] for n in stage.report.inputs]
        )
        environment |= dict(zip(stage.report.outputs, outputs, strict=True))
        return keeps

    def _server(self, logic: CoordinatorProgram, environment: dict[str, Any]) -> None:
        outputs = LoadedProgram(logic.program, f"server/{id(logic)}")([environment[name] for name in logic.inputs])
        environment |= dict(zip(logic.outputs, outputs, strict=True))


def _tensors(value: Any, type_: tff.Type) -> list[Any]:
    pairs = zip(to_leaves(value, type_), leaves_of(type_), strict=True)
    return [of_leaf(leaf, leaf_type, tf.convert_to_tensor) for leaf, leaf_type in pairs]


def leaves(value: Any, type_: tff.Type) -> list[npt.NDArray[Any]]:
    """Flattens a result for comparisons."""
    return [np.asarray(x) for x in to_leaves(value, type_)]
