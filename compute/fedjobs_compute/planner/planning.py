"""Plans a TFF computation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow_federated as tff
from fedjobs_common.ids import Digest
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb
from tensorflow_federated.python.core.impl.types import type_analysis

from fedjobs_compute.canonical import is_stateful
from fedjobs_compute.planner.call_dominant import normal_form
from fedjobs_compute.planner.coordinator_values import coordinator_keys, coordinator_program, count_of, leaf_name, typed
from fedjobs_compute.planner.leaves import count_leaves
from fedjobs_compute.planner.programs import LeafKey, build_program, unplaced_member
from fedjobs_compute.planner.stage_builder import StageBuilder
from fedjobs_compute.planner.stage_cuts import AGGREGATE, Cut, Local, cut
from fedjobs_compute.planner.unplaced import unplaced
from fedjobs_compute.plans import CoordinatorProgram, Parameter, Plan, Stage


def plan(computation: tff.Computation) -> Plan[tff.Type]:
    """Plans a computation.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION. The message names what cannot be planned, and why.
    """
    pieces = cut(normal_form(computation))
    constants = _constants(pieces)
    stages = _stages([StageBuilder(pieces, k, constants) for k in range(pieces.stages)])
    result = coordinator_keys(pieces, pieces.form.result)
    needed = {leaf_name(key) for key in result}
    for stage in stages:
        needed.update(stage.broadcasts, stage.merge.inputs, stage.report.inputs, stage.zero.inputs)
    return Plan(
        parameters=tuple(_parameters(computation.type_signature.parameter, pieces)),
        server_logic=tuple(_server_logic(pieces, level, needed) for level in range(pieces.stages + 1)),
        stages=stages,
        result=tuple(leaf_name(key) for key in result),
        result_type=computation.type_signature.result,
    )


def _stages(builders: Sequence[StageBuilder]) -> tuple[Stage, ...]:
    """Builds the stages: first the programs, from the last stage to the first, because earlier ones keep values.

    Then it builds the shards in order, because a shard contains the digests of earlier ones.
    """
    needed: dict[LeafKey, None] = {}
    for builder in reversed(builders):
        needed.update(dict.fromkeys(builder.write_programs(list(needed))))
    digests: list[Digest] = []
    stages = []
    for builder in builders:
        stages.append(builder.build(builders, digests))
        digests.append(stages[-1].digest)
    return tuple(stages)


def _parameters(type_: tff.Type | None, pieces: Cut) -> Iterable[Parameter[tff.Type]]:
    paths = [] if type_ is None else list(_paths(type_, ()))
    for (name, part), path in zip(pieces.form.parameters, paths, strict=True):
        at_clients = name in pieces.client_names
        count = 0 if at_clients else count_leaves(unplaced_member(part))
        yield Parameter(part, at_clients, tuple(f"{name}/{i}" for i in range(count)), path)


def _paths(type_: tff.Type, path: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    if isinstance(type_, tff.StructType) and type_analysis.contains_federated_types(type_):
        for i, (_, element) in enumerate(structure.iter_elements(type_)):
            yield from _paths(element, (*path, i))
    else:
        yield path


def _constants(pieces: Cut) -> frozenset[str]:
    """Returns the unplaced, deterministic calls without inputs. A shard can contain them as graphs."""
    found: set[str] = set()
    for name, local in pieces.locals.items():
        if local.at_clients or local.intrinsic or not found.issuperset(local.uses):
            continue
        if not any(is_stateful(op) for op in build_program([], _block(pieces, [name], [name], found)).operations()):
            found.add(name)
    return frozenset(found)


def _block(
    pieces: Cut, names: Sequence[str], results: Sequence[str], also: Iterable[str] = ()
) -> bb.ComputationBuildingBlock:
    """Returns a block with the calls of these names and constants, without placements, and a struct of the results."""
    wanted = [n for n in pieces.locals if n in set(names) | set(also)]
    references = bb.Struct([bb.Reference(n, pieces.types[n]) for n in results])
    return unplaced(bb.Block([(n, pieces.locals[n].call) for n in wanted], references))


def _server_logic(pieces: Cut, level: int, needed: set[str]) -> CoordinatorProgram:
    """Returns the coordinator's program between two stages. It computes only values that are used later."""
    here = [x for x in pieces.locals.values() if _runs_at_coordinator(x) and x.level == level]
    later = {u for x in pieces.locals.values() if _runs_at_coordinator(x) and x.level > level for u in x.uses}
    needed_names = later | {n.rpartition("/")[0] for n in needed}
    outputs = [x.name for x in here if x.name in needed_names]
    names = [n for n in pieces.closure(outputs, at_clients=False) if n in {x.name for x in here}]
    inputs = dict.fromkeys(u for n in names for u in pieces.locals[n].uses if u not in names)
    program = build_program(typed(pieces, inputs), _block(pieces, names, outputs))
    makes = [LeafKey(n, i) for n in outputs for i in range(count_of(pieces, n))]
    return coordinator_program(pieces, program, makes)


def _runs_at_coordinator(local: Local) -> bool:
    return not local.at_clients and local.intrinsic != AGGREGATE
