"""Removes placements: replaces federated intrinsics that are local to one placement by plain calls."""

from __future__ import annotations

import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from tensorflow_federated.python.core.impl.compiler import building_block_factory, transformation_utils
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb
from tensorflow_federated.python.core.impl.types import type_transformations

from fedjobs_compute.planner.lowering import SELECT

_IDENTITIES = frozenset(
    {
        "federated_broadcast",
        "federated_value_at_clients",
        "federated_value_at_server",
        "federated_zip_at_clients",
        "federated_zip_at_server",
    }
)
_MAPS = frozenset({"federated_apply", "federated_map", "federated_map_all_equal"})
_EVALS = frozenset({"federated_eval_at_clients", "federated_eval_at_server"})


def unplaced_type(type_: tff.Type) -> tff.Type:
    """Returns the type without placements."""
    return type_transformations.strip_placement(type_)


def unplaced(block: bb.ComputationBuildingBlock) -> bb.ComputationBuildingBlock:
    """Returns the block without placements.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION for an intrinsic that is not local to one placement.
    """
    names = building_block_factory.unique_name_generator(block)

    def transform(inner: bb.ComputationBuildingBlock) -> tuple[bb.ComputationBuildingBlock, bool]:
        if isinstance(inner, bb.Reference):
            return bb.Reference(inner.name, unplaced_type(inner.type_signature)), True
        if isinstance(inner, bb.Lambda) and inner.parameter_name is not None:
            return bb.Lambda(inner.parameter_name, unplaced_type(inner.parameter_type), inner.result), True
        if isinstance(inner, bb.Intrinsic) and not inner.uri.startswith("sequence_"):
            return _unplaced_intrinsic(inner, next(names)), True
        return inner, False

    return transformation_utils.transform_postorder(block, transform)[0]


def _unplaced_intrinsic(intrinsic: bb.Intrinsic, name: str) -> bb.ComputationBuildingBlock:
    signature = intrinsic.type_signature
    argument = bb.Reference(name, unplaced_type(signature.parameter))
    if intrinsic.uri in _IDENTITIES:
        return bb.Lambda(name, argument.type_signature, argument)
    if intrinsic.uri in _MAPS:
        call = bb.Call(bb.Selection(argument, index=0), bb.Selection(argument, index=1))
        return bb.Lambda(name, argument.type_signature, call)
    if intrinsic.uri in _EVALS:
        return bb.Lambda(name, argument.type_signature, bb.Call(argument, None))
    if intrinsic.uri == "federated_select":
        result = unplaced_type(signature.result)
        return bb.Intrinsic(SELECT, tff.FunctionType(argument.type_signature, result))
    raise FedjobsError(
        ErrorCode.UNSUPPORTED_COMPUTATION,
        f"the intrinsic {intrinsic.uri!r} cannot run inside one silo or at the coordinator.",
        "See the table of computations in the docs.",
    )
