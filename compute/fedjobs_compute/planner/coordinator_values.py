"""The values at the coordinator: their names in the plan, and the programs that compute them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow_federated as tff
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb

from fedjobs_compute.planner.leaves import count_leaves
from fedjobs_compute.planner.programs import LeafKey, NamedProgram, reference_keys, unplaced_member
from fedjobs_compute.planner.stage_cuts import Cut
from fedjobs_compute.planner.unplaced import unplaced_type
from fedjobs_compute.plans import CoordinatorProgram


def leaf_name(key: LeafKey) -> str:
    return f"{key.name}/{key.index}"


def typed(pieces: Cut, names: Iterable[str]) -> list[tuple[str, tff.Type]]:
    return [(n, unplaced_type(pieces.types[n])) for n in names]


def coordinator_keys(pieces: Cut, block: bb.ComputationBuildingBlock) -> list[LeafKey]:
    """Returns the coordinator's leaves to which a block of references, selections and structs refers."""
    if isinstance(block, bb.Struct):
        return [key for element in block for key in coordinator_keys(pieces, element)]
    if isinstance(block, bb.Reference) and block.name in pieces.sent_down:
        inner = pieces.sent_down[block.name]
        if not (isinstance(inner, bb.Reference) and inner.name == block.name):
            return coordinator_keys(pieces, inner)
    return reference_keys(block)


def coordinator_program(pieces: Cut, program: NamedProgram, makes: Sequence[LeafKey]) -> CoordinatorProgram:
    used = program.used()
    return CoordinatorProgram(
        program=program.numbered(used),
        inputs=tuple(leaf_name(coordinator_key(pieces, key)) for key in used),
        outputs=tuple(leaf_name(key) for key in makes),
    )


def coordinator_key(pieces: Cut, key: LeafKey) -> LeafKey:
    """Returns the coordinator's leaf for a broadcast leaf."""
    if key.name not in pieces.sent_down:
        return key
    return coordinator_keys(pieces, pieces.at_coordinator(key.name))[key.index]


def count_of(pieces: Cut, name: str) -> int:
    return count_leaves(unplaced_member(pieces.types[name]))
