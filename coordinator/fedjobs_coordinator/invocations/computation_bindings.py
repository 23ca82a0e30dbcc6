"""Plans TFF computations, and converts their arguments and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.planner.python_values import from_leaves, parts, to_leaves
from fedjobs_compute.planner.secure_simulation import with_sums_in_the_clear
from fedjobs_compute.plans import ClientInput, Plan
from tensorflow_federated.python.common_libs import structure

from fedjobs_coordinator.invocations.bindings import Clients, Environment
from fedjobs_coordinator.invocations.silo_references import SiloData


class ComputationBinding:
    """The binding of a TFF computation, see `fedjobs_coordinator.invocations.bindings.Binding`.

    Args:
        computation: The computation to plan.
        simulate_secure_aggregation: Whether secure sums and selections are computed in the clear.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION. The message names what cannot be planned, and why.
    """

    def __init__(self, computation: tff.Computation, *, simulate_secure_aggregation: bool = False) -> None:
        planned = with_sums_in_the_clear(computation) if simulate_secure_aggregation else computation
        self.plan: Plan[tff.Type] = plan(planned)
        self.label = str(getattr(computation, "__name__", "computation"))
        self._parameter: tff.Type | None = computation.type_signature.parameter

    def bind(self, argument: Any) -> tuple[Environment, Clients]:
        """See Binding. A CLIENTS-placed part is a SiloData, a structure of these, or a list of one value per client."""
        environment: Environment = {}
        at_clients: dict[int, Any] = {}
        for number, parameter in enumerate(self.plan.parameters):
            value = self._pick(argument, parameter.path)
            if parameter.at_clients:
                at_clients[number] = value if isinstance(value, SiloData) else _as_list(value)
            else:
                environment |= zip(parameter.leaves, to_leaves(value, parameter.type), strict=True)
        _check_cardinality(at_clients)
        inputs = [source for stage in self.plan.stages for source in stage.client_inputs]
        lists = {i: self._of_clients(i, value) for i, value in at_clients.items()}
        found = {source: _leaf(lists[source.parameter], source) for source in inputs}
        return environment, Clients(_number(at_clients, lists), found)

    def result(self, environment: Mapping[str, Any]) -> Any:
        """Returns the result in TFF's containers."""
        return from_leaves([environment[name] for name in self.plan.result], self.plan.result_type)

    def _pick(self, value: Any, path: tuple[int, ...]) -> Any:
        type_ = self._parameter
        for position in path:
            if not isinstance(type_, tff.StructType):
                raise TypeError(f"no element {position} in {type_}")
            value, type_ = parts(value, type_)[position], type_[position]
        return value

    def _of_clients(self, parameter: int, value: Any) -> SiloData | list[SiloData] | list[list[Any]]:
        """Returns one reference, one reference for each leaf, or for each leaf a list of the clients' values."""
        member = self.plan.parameters[parameter].type.member
        if isinstance(value, SiloData):
            return value
        if isinstance(value, list):
            return [list(leaf) for leaf in zip(*(to_leaves(each, member) for each in value), strict=True)]
        found = _leaves_of_references(value, member)
        if not all(isinstance(x, SiloData) for x in found):
            raise FedjobsError(
                ErrorCode.PROGRAM_FAILED,
                f"a CLIENTS-placed argument is a {type(value).__name__}.",
                "Pass a list with one value for each client, or a selection of a data source's iterator.",
            )
        return found


def _number(
    arguments: Mapping[int, Any], leaves: Mapping[int, SiloData | list[SiloData] | list[list[Any]]]
) -> SiloData | int:
    """Returns the number of clients. A silo counts its own clients if one of the arguments is its data.

    An argument that no silo reads gives the number, too.
    """
    for values in leaves.values():
        for reference in values if isinstance(values, list) else [values]:
            if isinstance(reference, SiloData):
                return reference
    return next((len(value) for value in arguments.values() if isinstance(value, list)), 0)


def _leaf(values: SiloData | Sequence[Any], source: ClientInput) -> SiloData | Sequence[Any]:
    if isinstance(values, SiloData):
        return values
    found: SiloData | Sequence[Any] = values[source.leaf] if values else []  # without clients there are no leaves
    return found


def _leaves_of_references(value: Any, type_: Any) -> list[Any]:
    if isinstance(value, SiloData) or not hasattr(type_, "children"):
        return [value]
    try:
        return [
            leaf for part, e in zip(parts(value, type_), type_, strict=True) for leaf in _leaves_of_references(part, e)
        ]
    except (TypeError, ValueError):
        return [value]


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) and not isinstance(value, structure.Struct) else value


def _check_cardinality(clients: Mapping[int, Any]) -> None:
    counts = {len(value) for value in clients.values() if isinstance(value, list)}
    if len(counts) > 1:
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED,
            f"the CLIENTS-placed arguments are for different numbers of clients: {sorted(counts)}.",
            "Pass lists of the same length.",
        )
