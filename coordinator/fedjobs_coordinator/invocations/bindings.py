"""Binds arguments to a plan, and converts its result.

`computation_bindings` does this for TFF computations, and imports TFF. A plan from a file does not need TFF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.plan_files import Leaves, SavedPlan
from fedjobs_compute.plans import ClientInput, Parameter, Plan
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor

from fedjobs_coordinator.invocations.silo_references import SiloData

Environment: TypeAlias = dict[str, Any]
"""The values of the coordinator's leaves, by name."""


@dataclass(frozen=True)
class Clients:
    """The clients of an invocation, with their values.

    Attributes:
        number: How many clients there are: the silos' data, of which each silo counts its clients, or a number.
        inputs: For each client input of the plan: a reference to the silos' data, or a list with the leaf's value of
            each client.
    """

    number: SiloData | int
    inputs: Mapping[ClientInput, SiloData | Sequence[Any]]


class Binding(Protocol):
    """A plan with conversions of its argument and result."""

    @property
    def plan(self) -> Plan[Any]: ...

    @property
    def label(self) -> str:
        """The name of the computation, for people."""

    def bind(self, argument: Any) -> tuple[Environment, Clients]:
        """Converts an argument to the coordinator's leaves and the client inputs.

        Raises:
            FedjobsError: PROGRAM_FAILED if the argument does not have the plan's parameter type.
        """

    def result(self, environment: Mapping[str, Any]) -> Any:
        """Converts the result for the caller."""


class SavedPlanBinding:
    """The binding of a plan from a file. Arguments are arrays. The result is a dictionary of arrays by path.

    Args:
        saved: The plan.
    """

    def __init__(self, saved: SavedPlan) -> None:
        self.plan: Plan[Leaves] = saved.plan
        self.label = saved.label

    def bind(self, argument: Any) -> tuple[Environment, Clients]:
        """See Binding.

        Args:
            argument: One value for each of the plan's parameters, in order. A SiloData for a parameter at CLIENTS, an
                array or a mapping from the parameter's paths to arrays for a parameter at the coordinator.
        """
        parameters, arguments = self.plan.parameters, tuple(argument)
        if len(arguments) != len(parameters):
            raise _unfit(self.label, f"it has {len(parameters)} parameters, got {len(arguments)} arguments")
        environment: Environment = {}
        selected: dict[int, SiloData] = {}
        for number, (parameter, value) in enumerate(zip(parameters, arguments, strict=True)):
            if parameter.at_clients:
                if not isinstance(value, SiloData):
                    raise _unfit(self.label, f"argument {number} is placed at CLIENTS, got a {type(value).__name__}")
                selected[number] = value
            else:
                environment |= zip(parameter.leaves, self._leaves(number, parameter, value), strict=True)
        inputs = [source for stage in self.plan.stages for source in stage.client_inputs]
        clients: SiloData | int = next(iter(selected.values()), 0)
        return environment, Clients(clients, {source: selected[source.parameter] for source in inputs})

    def result(self, environment: Mapping[str, Any]) -> dict[str, Any]:
        """See Binding."""
        leaves = zip(self.plan.result_type, self.plan.result, strict=True)
        return {leaf.name: environment[name] for leaf, name in leaves}

    def _leaves(self, number: int, parameter: Parameter[Leaves], value: Any) -> list[Any]:
        values = value if isinstance(value, Mapping) else {leaf.name: value for leaf in parameter.type[:1]}
        paths = [leaf.name for leaf in parameter.type]
        if set(values) != set(paths):
            raise _unfit(self.label, f"argument {number} has the paths {sorted(values)}, expected {sorted(paths)}")
        return [self._array(number, leaf, values[leaf.name]) for leaf in parameter.type]

    def _array(self, number: int, leaf: Leaf, value: Any) -> Any:
        if not leaf.HasField("tensor"):
            raise _unfit(self.label, f"parameter {number} is a sequence at SERVER, which saved plans do not support")
        if leaf.tensor.dtype == "string":
            array = np.asarray(value, dtype=object)
        else:
            array = np.asanyarray(value)
            if array.dtype.name != leaf.tensor.dtype and np.can_cast(array, leaf.tensor.dtype, "same_kind"):
                array = array.astype(leaf.tensor.dtype)
            if array.dtype.name != leaf.tensor.dtype:
                raise _unfit(
                    self.label, f"argument {number} has dtype {array.dtype.name}, expected {leaf.tensor.dtype}"
                )
        if not _fits(leaf.tensor, array.shape):
            expected = list(leaf.tensor.shape)
            raise _unfit(self.label, f"argument {number} has shape {list(array.shape)}, expected {expected}")
        return array


def _fits(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    if tensor.unknown_rank:
        return True
    return len(shape) == len(tensor.shape) and all(e in (-1, f) for e, f in zip(tensor.shape, shape, strict=True))


def _unfit(label: str, reason: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.PROGRAM_FAILED,
        f"the plan {label!r} cannot run: {reason}.",
        "Pass one argument for each parameter of the computation, and run.select(...) for parameters at CLIENTS.",
    )
