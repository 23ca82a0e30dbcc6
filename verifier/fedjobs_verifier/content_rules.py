"""What each operation requires of the contents of its inputs, and which contents its outputs have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedjobs_verifier.contents import Type, dtype_of
from fedjobs_verifier.dataset_rules import DATASETS
from fedjobs_verifier.dtypes import RESOURCE
from fedjobs_verifier.refusals import Refusal
from fedjobs_verifier.resource_rules import CHECKED_WHEN_RUN, RESOURCES
from fedjobs_verifier.uses import Use

Rule = Callable[[Use], Sequence[Type]]


def other(use: Use) -> Sequence[Type]:
    """The rule for all other operations: they know nothing of contents, and have no resources."""
    step = use.step
    if step.operation is None:
        for name in step.called:
            use.functions.call_unknown(name)
        return ()
    if step.op not in CHECKED_WHEN_RUN and (
        RESOURCE in step.outputs or any(dtype_of(t) == RESOURCE for types in use.inputs.values() for t in types)
    ):
        raise Refusal(
            "it has a resource", "Pass resources to functions and to operations that are made for them, one by one."
        )
    return step.outputs


def _same(use: Use) -> Sequence[Type]:
    (types,) = use.inputs.values()
    return types


def _packed(use: Use) -> Sequence[Type]:
    """Several tensors become one. Their content stays known if it is the same."""
    other(use)
    types = use.inputs["values"]
    return types[:1] if all(type_ is types[0] for type_ in types) else use.step.outputs


def _unpacked(use: Use) -> Sequence[Type]:
    other(use)
    return list(use.inputs["value"]) * len(use.step.outputs)


def _called(use: Use) -> Sequence[Type]:
    return use.call("f", use.inputs["args"])


def _if(use: Use) -> Sequence[Type]:
    return use.functions.any_of([use.values["then_branch"], use.values["else_branch"]], use.inputs["input"])


def _case(use: Use) -> Sequence[Type]:
    if not use.values["branches"]:
        raise Refusal("it has no branches", "Give it a branch.")
    return use.functions.any_of(use.values["branches"], use.inputs["input"])


def _while(use: Use) -> Sequence[Type]:
    types = use.functions.loop(use.values["body"], use.inputs["input"])
    use.call("cond", types)
    return types


RULES: Mapping[str, Rule] = {
    **DATASETS,
    **RESOURCES,
    "Case": _case,
    "Identity": _same,
    "IdentityN": _same,
    "If": _if,
    "Pack": _packed,
    "PartitionedCall": _called,
    "StatefulPartitionedCall": _called,
    "StatelessCase": _case,
    "StatelessIf": _if,
    "StatelessWhile": _while,
    "StopGradient": _same,
    "Unpack": _unpacked,
    "While": _while,
}
"""The rules by operation."""
