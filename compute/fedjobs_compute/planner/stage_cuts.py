"""Cuts a computation in normal form into stages: decides which calls run in the silos or at the coordinator, and when.

The level of a call is the number of exchanges with the silos that must end before it can run. An aggregation of level k
belongs to stage k. Calls that use its result have at least level k + 1.

A call at CLIENTS runs once, in the first stage that needs it. If a later stage needs its result too, the silo keeps it.
It does not run again, because a random operation would give another result. Only `federated_zip` is repeated: it
computes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb

from fedjobs_compute.intrinsics import INTRINSICS
from fedjobs_compute.planner.call_dominant import NormalForm, unbound_references

AGGREGATE = "federated_aggregate"
_ZIP = "federated_zip_at_clients"
_DOWN = frozenset({"federated_broadcast", "federated_value_at_clients"})


@dataclass(frozen=True)
class Local:
    """A call of the normal form, with its placement and level.

    Attributes:
        at_clients: Whether it runs in the silos, once for each client.
        level: Its level, see the module's docstring.
        uses: The names that it references.
    """

    name: str
    call: bb.ComputationBuildingBlock
    at_clients: bool
    level: int
    uses: tuple[str, ...]

    @property
    def intrinsic(self) -> str:
        """The URI of the called intrinsic, or an empty string."""
        function = self.call.function if isinstance(self.call, bb.Call) else None
        return str(function.uri) if isinstance(function, bb.Intrinsic) else ""


@dataclass(frozen=True)
class Cut:
    """A computation that was cut into stages.

    Attributes:
        form: The normal form of the computation.
        locals: The locals by name, in order.
        types: The types of all parameters and locals, by name.
        client_names: Names of parameters and locals that exist in the silos only.
        sent_down: CLIENTS-placed names whose values come from the coordinator, and the blocks of these values.
        stages: The number of exchanges with the silos.
        runs_in: The stage of each local at CLIENTS that an aggregation needs. Without zips, which run where needed.
    """

    form: NormalForm
    locals: dict[str, Local]
    types: dict[str, tff.Type]
    client_names: frozenset[str]
    sent_down: dict[str, bb.ComputationBuildingBlock]
    stages: int
    runs_in: dict[str, int]

    def aggregations(self, stage: int) -> list[Local]:
        """Returns the aggregations of a stage."""
        return [x for x in self.locals.values() if x.intrinsic == AGGREGATE and x.level == stage]

    def at_coordinator(self, name: str) -> bb.ComputationBuildingBlock:
        """Returns the block with the value of a name at the coordinator."""
        return self.sent_down.get(name) or bb.Reference(name, self.types[name])

    def in_stage(self, names: Iterable[str], stage: int) -> list[str]:
        """Returns the locals at CLIENTS that must run in a stage to compute these names, in order."""
        return self.closure(names, at_clients=True, known={n for n, first in self.runs_in.items() if first < stage})

    def closure(self, names: Iterable[str], *, at_clients: bool, known: Collection[str] = ()) -> list[str]:
        """Returns the locals of one side that these names need, including themselves, in order.

        Args:
            names: The names.
            at_clients: The side.
            known: Names whose values exist already.
        """
        wanted: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            local = self.locals.get(name)
            if name in wanted or name in known or local is None or (name in self.client_names) != at_clients:
                continue
            wanted.add(name)
            pending.extend(local.uses)
        return [name for name in self.locals if name in wanted]


def cut(form: NormalForm) -> Cut:
    """Cuts a computation into stages.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION. The message names the intrinsic and the reason.
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
    result = Cut(form, locals_, types, frozenset(client_names), sent_down, stages, {})
    _refuse_unsupported_shape(result)
    return replace(result, runs_in=_first_stages(result))


def _first_stages(pieces: Cut) -> dict[str, int]:
    first: dict[str, int] = {}
    for stage in range(pieces.stages):
        values = (r for x in pieces.aggregations(stage) for r in unbound_references(x.call.argument))
        for name in pieces.closure(values, at_clients=True):
            if pieces.locals[name].intrinsic != _ZIP:
                first.setdefault(name, stage)
    return first


def is_at_clients(type_: tff.Type) -> bool:
    """Returns whether a type is placed at CLIENTS."""
    return isinstance(type_, tff.FederatedType) and type_.placement is tff.CLIENTS


def _refuse_unsupported(local: Local) -> None:
    known = INTRINSICS.get(local.intrinsic)
    if not local.intrinsic or (known and known.planned):
        return
    reason = known.text if known else "this release of fedjobs does not know it"
    raise FedjobsError(
        ErrorCode.UNSUPPORTED_COMPUTATION,
        f"the computation uses {local.intrinsic!r}: {reason}.",
        "If it is acceptable for your data, use federated_sum or an aggregator without secure sums.",
    )


def _refuse_unsupported_shape(result: Cut) -> None:
    if result.stages and not any(name in result.client_names for name, _ in result.form.parameters):
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            "the computation has no parameter that is placed at CLIENTS with a value for each client, so the number of "
            "clients is not known.",
            "Add such a parameter. The computation does not have to use it.",
        )
    client_results = [n for n in unbound_references(result.form.result) if n in result.client_names]
    if client_results:
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            "the computation returns a value that is placed at CLIENTS. Such values never leave a silo.",
            "Return aggregates only.",
        )
