"""Converts a TFF computation to TFF's call-dominant form: a flat list of intrinsic calls and TensorFlow calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow_federated as tff
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.environments.tensorflow_backend import tensorflow_tree_transformations
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb
from tensorflow_federated.python.core.impl.compiler import transformation_utils, transformations, tree_transformations
from tensorflow_federated.python.core.impl.types import type_analysis


@dataclass(frozen=True)
class NormalForm:
    """A computation as straight-line code.

    Attributes:
        parameters: The name and type of each federated or unplaced part of the computation's parameter, in order.
        calls: The name and call (or literal) of each local. Each call uses only parameters and earlier locals.
        result: References, selections and structures over the locals and parameters.
    """

    parameters: tuple[tuple[str, tff.Type], ...]
    calls: tuple[tuple[str, bb.ComputationBuildingBlock], ...]
    result: bb.ComputationBuildingBlock


def normal_form(computation: tff.Computation) -> NormalForm:
    """Converts a computation to its normal form.

    It replaces `federated_mean`, `federated_min` and similar intrinsics by their definitions, and inlines lambdas.
    """
    function = _as_lambda(computation.to_building_block())
    function, _ = tensorflow_tree_transformations.replace_intrinsics_with_bodies(function)
    parameters: list[tuple[str, tff.Type]] = []
    body = function.result
    if function.parameter_name is not None:
        references = _references(function.parameter_type, "parameter", parameters)
        body = bb.Block([(function.parameter_name, references)], body)
    # Transform the body alone, with the parameters as unbound references. Otherwise TFF wraps every local in a Lambda.
    body = transformations.to_call_dominant(body)
    body, _ = tree_transformations.remove_mapped_or_applied_identity(body)
    body = transformations.to_call_dominant(body)
    calls, result = (list(body.locals), body.result) if isinstance(body, bb.Block) else ([], body)
    literals: dict[str, bb.ComputationBuildingBlock] = {}
    calls = [(name, without_literals(call, literals)) for name, call in calls]
    result = without_literals(result, literals)
    return NormalForm(tuple(parameters), (*literals.items(), *calls), result)


def without_literals(
    block: bb.ComputationBuildingBlock, literals: dict[str, bb.ComputationBuildingBlock]
) -> bb.ComputationBuildingBlock:
    """Replaces each literal in a block by a reference, and adds it to `literals`, so that it can become a local."""

    def transform(inner: bb.ComputationBuildingBlock) -> tuple[bb.ComputationBuildingBlock, bool]:
        if not isinstance(inner, bb.Literal):
            return inner, False
        name = f"literal_{len(literals)}"
        literals[name] = inner
        return bb.Reference(name, inner.type_signature), True

    return transformation_utils.transform_postorder(block, transform)[0]


def _as_lambda(block: bb.ComputationBuildingBlock) -> bb.Lambda:
    if isinstance(block, bb.Lambda):
        return block
    if not isinstance(block.type_signature, tff.FunctionType):
        return bb.Lambda(None, None, block)
    parameter = block.type_signature.parameter
    if parameter is None:
        return bb.Lambda(None, None, bb.Call(block))
    return bb.Lambda("argument", parameter, bb.Call(block, bb.Reference("argument", parameter)))


def _references(type_: tff.Type, name: str, parameters: list[tuple[str, tff.Type]]) -> bb.ComputationBuildingBlock:
    if isinstance(type_, tff.StructType) and type_analysis.contains_federated_types(type_):
        elements = structure.iter_elements(type_)
        return bb.Struct([(n, _references(e, f"{name}_{i}", parameters)) for i, (n, e) in enumerate(elements)])
    parameters.append((name, type_))
    return bb.Reference(name, type_)


def unbound_references(block: bb.ComputationBuildingBlock) -> dict[str, tff.Type]:
    """Returns the names and types of a building block's unbound references, in the order of their first use."""
    return dict(_unbound(block, frozenset()))


def _unbound(block: bb.ComputationBuildingBlock, bound: frozenset[str]) -> Iterator[tuple[str, tff.Type]]:
    if isinstance(block, bb.Reference):
        if block.name not in bound:
            yield block.name, block.type_signature
    elif isinstance(block, bb.Lambda):
        yield from _unbound(block.result, bound | {block.parameter_name})
    elif isinstance(block, bb.Block):
        for name, value in block.locals:
            yield from _unbound(value, bound)
            bound = bound | {name}
        yield from _unbound(block.result, bound)
    else:
        for child in block.children():
            yield from _unbound(child, bound)
