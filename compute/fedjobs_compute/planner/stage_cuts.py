"""Where a computation in normal form is cut: which calls run in the silos, which at the coordinator, and when.

A call's level is the number of exchanges with the silos that must be over before it can run. An aggregation of level k
belongs to stage k, and what uses its result has level k + 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb

from fedjobs_compute.planner.call_dominant import NormalForm, unbound_references

AGGREGATE = "federated_aggregate"
_NO_SECURE_SUM = "secure aggregation is not available yet, and nothing is ever summed in the clear instead"
_REASONS = {
    "federated_secure_sum": _NO_SECURE_SUM,
    "federated_secure_sum_bitwidth": _NO_SECURE_SUM,
    "federated_secure_modular_sum": _NO_SECURE_SUM,
    "federated_secure_select": "secure selection is not available yet, and keys are never sent in the clear instead",
}
_DOWN = frozenset({"federated_broadcast", "federated_value_at_clients"})


@dataclass(frozen=True)
class Local:
    """A call of the normal form, and where it stands.

    Attributes:
        at_clients: It runs in the silos, once for each client.
        level: See the module.
        uses: Names that it references.
    """

    name: str
    call: bb.ComputationBuildingBlock
    at_clients: bool
    level: int
    uses: tuple[str, ...]

    @property
    def intrinsic(self) -> str:
        """The intrinsic that is called, or an empty string."""
        function = self.call.function if isinstance(self.call, bb.Call) else None
        return str(function.uri) if isinstance(function, bb.Intrinsic) else ""


@dataclass(frozen=True)
class Cut:
    """A computation, cut into stages.

    Attributes:
        form: What was cut.
        locals: By name, in order.
        types: Of all parameters and locals.
        client_names: Parameters and locals that exist only in the silos.
        sent_down: Client-placed names that are values of the coordinator, and the block that gives their value there.
        stages: Number of exchanges with the silos.
    """

    form: NormalForm
    locals: dict[str, Local]
    types: dict[str, tff.Type]
    client_names: frozenset[str]
    sent_down: dict[str, bb.ComputationBuildingBlock]
    stages: int

    def aggregations(self, stage: int) -> list[Local]:
        """The aggregations of one stage."""
        return [x for x in self.locals.values() if x.intrinsic == AGGREGATE and x.level == stage]

    def at_coordinator(self, name: str) -> bb.ComputationBuildingBlock:
        """The block that gives a name's value at the coordinator."""
        return self.sent_down.get(name) or bb.Reference(name, self.types[name])

    def closure(self, names: Iterable[str], *, at_clients: bool) -> list[str]:
        """Locals of one side that the names need, themselves included, in order."""
        wanted: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            local = self.locals.get(name)
            if name in wanted or local is None or (name in self.client_names) != at_clients:
                continue
            wanted.add(name)
            pending.extend(local.uses)
        return [name for name in self.locals if name in wanted]


def cut(form: NormalForm) -> Cut:
    """Cuts a computation into stages.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION for what is not planned, with the intrinsic and the reason.
    """
    types = dict(form.parameters)
    levels = dict.fromkeys(types, 0)
    locals_: dict[str, Local] = {}
    sent_down = {n: bb.Reference(n, t) for n, t in types.items() if is_at_clients(t) and t.all_equal}
    client_names = {n for n, t in types.items() if is_at_clients(t)} - set(sent_down)
    for name, call in form.calls:
        uses = tuple(unbound_references(call))
        level = max((levels[u] for u in uses), default=0)
        local = Local(name, call, is_at_clients(call.type_signature), level, uses)
        _refuse_unsupported(local)
        locals_[name], types[name] = local, call.type_signature
        levels[name] = level + (local.intrinsic == AGGREGATE)
        if local.intrinsic in _DOWN:
            sent_down[name] = call.argument
        elif local.at_clients:
            client_names.add(name)
    stages = max((x.level + 1 for x in locals_.values() if x.intrinsic == AGGREGATE), default=0)
    result = Cut(form, locals_, types, frozenset(client_names), sent_down, stages)
    _refuse_unsupported_shape(result)
    return result


def is_at_clients(type_: tff.Type) -> bool:
    """Whether a type is placed at the clients."""
    return isinstance(type_, tff.FederatedType) and type_.placement is tff.CLIENTS


def _refuse_unsupported(local: Local) -> None:
    if reason := _REASONS.get(local.intrinsic):
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            f"the computation uses {local.intrinsic!r}: {reason}.",
            "Use federated_sum or an aggregator without secure sums if that is acceptable for your data.",
        )


def _refuse_unsupported_shape(result: Cut) -> None:
    if result.stages > 1:
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            f"the computation needs {result.stages} exchanges with each silo, because an aggregation depends on "
            "another's result; this version plans one.",
            "Split it into one computation for each exchange.",
        )
    client_results = [n for n in unbound_references(result.form.result) if n in result.client_names]
    if client_results:
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            "the computation returns a value that is placed at the clients; such values never leave a silo.",
            "Return aggregates only.",
        )
