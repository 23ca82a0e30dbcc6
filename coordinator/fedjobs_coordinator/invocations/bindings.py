"""How values get into a plan and come out of it.

TFF's computations have their own way, in `computation_bindings`, which imports TFF; a plan from a file needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.plan_files import Leaves, SavedPlan
from fedjobs_compute.plans import ClientInput, Parameter, Plan
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor

from fedjobs_coordinator.invocations.silo_references import SiloData

Environment: TypeAlias = dict[str, Any]
"""The coordinator's leaves by name."""
Clients: TypeAlias = Mapping[ClientInput, SiloData | Sequence[Any]]
"""Of each client input of the plan: a reference to the silos' data, or its leaf of one client after the other."""


class Binding(Protocol):
    """A plan, and the values that its caller knows."""

    @property
    def plan(self) -> Plan[Any]: ...

    @property
    def label(self) -> str:
        """For people: what is computed."""

    def bind(self, argument: Any) -> tuple[Environment, Clients]:
        """The values of an argument.

        Raises:
            FedjobsError: PROGRAM_FAILED for an argument that is not of the plan's parameter type.
        """

    def result(self, environment: Mapping[str, Any]) -> Any:
        """The result, as the caller wants it."""


class SavedPlanBinding:
    """A plan from a file. Arrays go in; what comes out is a dictionary of arrays, by the result's paths.

    Args:
        saved: The plan.
    """

    def __init__(self, saved: SavedPlan) -> None:
        self.plan: Plan[Leaves] = saved.plan
        self.label = saved.label

    def bind(self, argument: Any) -> tuple[Environment, Clients]:
        """See Binding.

        Args:
            argument: One for each of the plan's parameters, in their order. At the clients: a SiloData. At the
                coordinator: an array, or a mapping from the parameter's paths to arrays.
        """
        parameters, arguments = self.plan.parameters, tuple(argument)
        if len(arguments) != len(parameters):
            raise _unfit(self.label, f"it has {len(parameters)} parameters, and {len(arguments)} arguments came")
        environment: Environment = {}
        selected: dict[int, SiloData] = {}
        for number, (parameter, value) in enumerate(zip(parameters, arguments, strict=True)):
            if parameter.at_clients:
                if not isinstance(value, SiloData):
                    raise _unfit(self.label, f"argument {number} is at the clients, and a {type(value).__name__} came")
                selected[number] = value
            else:
                environment |= zip(parameter.leaves, self._leaves(number, parameter, value), strict=True)
        inputs = [source for stage in self.plan.stages for source in stage.client_inputs]
        return environment, {source: selected[source.parameter] for source in inputs}

    def result(self, environment: Mapping[str, Any]) -> dict[str, Any]:
        """See Binding."""
        leaves = zip(self.plan.result_type, self.plan.result, strict=True)
        return {leaf.name: environment[name] for leaf, name in leaves}

    def _leaves(self, number: int, parameter: Parameter[Leaves], value: Any) -> list[Any]:
        values = value if isinstance(value, Mapping) else {leaf.name: value for leaf in parameter.type[:1]}
        paths = [leaf.name for leaf in parameter.type]
        if set(values) != set(paths):
            raise _unfit(self.label, f"argument {number} has {sorted(values)}, its parameter {sorted(paths)}")
        return [self._array(number, leaf, values[leaf.name]) for leaf in parameter.type]

    def _array(self, number: int, leaf: Leaf, value: Any) -> Any:
        if not leaf.HasField("tensor"):
            raise _unfit(self.label, f"argument {number} is a sequence at the coordinator, which a file cannot take")
        if leaf.tensor.dtype == "string":
            array = np.asarray(value, dtype=object)
        else:
            array = np.asanyarray(value)
            if array.dtype.name != leaf.tensor.dtype and np.can_cast(array, leaf.tensor.dtype, "same_kind"):
                array = array.astype(leaf.tensor.dtype)
            if array.dtype.name != leaf.tensor.dtype:
                raise _unfit(self.label, f"argument {number} is {array.dtype.name} and not {leaf.tensor.dtype}")
        if not _fits(leaf.tensor, array.shape):
            raise _unfit(self.label, f"argument {number} has shape {list(array.shape)}, not {list(leaf.tensor.shape)}")
        return array


def _fits(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    if tensor.unknown_rank:
        return True
    return len(shape) == len(tensor.shape) and all(e in (-1, f) for e, f in zip(tensor.shape, shape, strict=True))


def _unfit(label: str, reason: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.PROGRAM_FAILED,
        f"the plan {label!r} cannot be run: {reason}.",
        "Pass one argument for each parameter of the computation, and run.select(...) for those at the clients.",
    )
