"""The tensors of a graph: the data types of the outputs of the nodes so far, and which of them an input names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fedjobs_verifier.ranges import Range
from fedjobs_verifier.refusals import Refusal, shown
from fedjobs_verifier.steps import Source, Step

Dtype = int | None
"""The number of a data type. None for an output of an operation that only the silo's file allows."""

ORDER = (
    "Write nodes in the planner's order: n0, n1, ..., each after its inputs, as a search from the results finds them."
)
_OUTPUT = re.compile(r"[A-Za-z0-9_]{1,80}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True)
class Outputs:
    """The data types of the outputs of a node or of an argument.

    Attributes:
        named: By the name of the output, of which there can be several tensors.
        flat: In their order.
    """

    named: Mapping[str, Sequence[int]]
    flat: Sequence[int]


@dataclass
class Known:
    """The nodes that were read so far.

    Attributes:
        outputs: The outputs of each node and argument. None if they are not known.
        constants: The value of each constant that is one number.
        ranges: The range of the first output of each node of which it is known.
        operations: The operation of each node.
        edges: For each node, the names of its inputs.
        resources: The names of resources.
        steps: The nodes that have to do with datasets, resources and functions.
    """

    outputs: dict[str, Outputs | None] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    operations: dict[str, str] = field(default_factory=dict)
    edges: dict[str, list[str]] = field(default_factory=dict)
    resources: set[bytes] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)


def resolved(text: str, known_: Known, *, inside: bool) -> Dtype:
    """Returns the data type of the tensor with this name."""
    name, *rest = text.split(":")
    try:
        outputs = known_.outputs[name]
        if outputs is None:
            _check_plausible(rest, inside=inside)
            return None
        if inside and name in known_.edges:
            (output, index) = rest
            return _number(outputs.named[output], index)
        if not rest:
            return outputs.flat[0]
        (index,) = rest
        if inside or index == "0":  # an argument has one tensor, and the number of the first output is not written
            raise LookupError
        return _number(outputs.flat, index)
    except (LookupError, ValueError):
        raise Refusal(f"its input {shown(text)} is no tensor before it", ORDER) from None


def source_of(text: str, dtype: int, known_: Known, *, inside: bool) -> Source:
    """Returns where a tensor comes from, whose name was resolved. Its number is -1 if its node is not known."""
    name, *rest = text.split(":")
    outputs = known_.outputs[name]
    if outputs is None:
        return name, -1, dtype
    if not (inside and name in known_.edges):
        return name, int(rest[0]) if rest else 0, dtype
    before = 0
    for output, dtypes in outputs.named.items():
        if output == rest[0]:
            break
        before += len(dtypes)
    return name, before + int(rest[1]), dtype


def _check_plausible(rest: Sequence[str], *, inside: bool) -> None:
    """Checks the end of the name of an output of an operation whose outputs are not known."""
    numbers = rest[1:] if inside else rest
    if len(rest) > 2 or any(not _OUTPUT.fullmatch(part) for part in rest):
        raise LookupError
    # TensorFlow reads a number of more than 32 bits as another one, and does not check it.
    if any(not _INDEX.fullmatch(number) or (number == "0" and not inside) for number in numbers):
        raise LookupError


def _number(dtypes: Sequence[int], index: str) -> int:
    if not (index.isdecimal() and index.isascii() and str(int(index[:9])) == index):
        raise LookupError
    return dtypes[int(index)]


def data_inputs(texts: Sequence[str], known_: Known) -> list[str]:
    """Returns the inputs that are tensors. The others are control inputs, which come after them and are sorted."""
    data = [text for text in texts if not text.startswith("^")]
    controls = list(texts[len(data) :])
    if controls != sorted(set(controls)) or any(text[1:] not in known_.edges for text in controls):
        raise Refusal("its control inputs are not nodes before it, not sorted, or not at the end", ORDER)
    return data


def node_of(text: str) -> str:
    """Returns the name of the node whose output or completion an input names."""
    return text.removeprefix("^").partition(":")[0]
