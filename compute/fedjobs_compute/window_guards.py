"""Guards Conv2D, AvgPool and MaxPool, which return memory that nothing wrote for inputs of some shapes.

- The pools do so for an empty input of five dimensions. A node before them checks that there are four.
- Conv2D does so if its window does not fit into the input. Nodes before it compare the sizes, and give the input a
  negative size if the window does not fit. This is an error. So is an input that has not four dimensions.

The nodes look at shapes only, and the values of the input stay in their place in memory.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError

_FIRST_SPACE = {b"NHWC": 1, b"NCHW": 2}
"""The first of the two dimensions over which a window moves."""
_INT32 = tf.int32.as_datatype_enum
_OUTPUTS = {"AddV2": "z", "Less": "z", "Mul": "z", "Sub": "z"}  # "output" for the others
_NEGATIVE = -2  # a size that Reshape refuses. It would choose a size for -1


def guard_windows(nodes: Any, *, inside: bool) -> None:
    """Adds nodes before each of these operations, in place.

    Args:
        nodes: The nodes of a graph or a function.
        inside: Whether they are those of a function, where an input names the output of a node.

    Raises:
        FedjobsError: SHARD_FAILED if a Conv2D has attributes for which there is no guard.
    """
    for node in [node for node in nodes if node.op in ("AvgPool", "Conv2D", "MaxPool")]:
        added = _Nodes(nodes, node, inside=inside)
        dtype = node.attr["T"].type
        given = added.ensured(node.input[0], dtype)
        if node.op == "Conv2D" and node.attr["padding"].s != b"SAME":
            given = added.reshaped(given, dtype, _fitting(added, node, given, dtype))
        node.input[0] = given


def _fitting(added: _Nodes, node: Any, given: str, dtype: int) -> str:
    """Returns the shape of the input, or negative sizes where a window is larger than the input."""
    layout = node.attr["data_format"].s or b"NHWC"
    dilations = list(node.attr["dilations"].list.i) or [1] * 4
    explicit = list(node.attr["explicit_paddings"].list.i) or [0] * 8
    if (
        layout not in _FIRST_SPACE
        or len(dilations) != 4
        or len(explicit) != 8
        or not all(0 <= each < 2**20 for each in (*dilations, *explicit))
    ):
        message = (
            f"node {node.name} (Conv2D) has dilations {dilations}, explicit paddings {explicit} and data format "
            f"{layout!r}. There must be 4 dilations and 8 paddings of less than 2**20, and NHWC or NCHW"
        )
        raise FedjobsError(ErrorCode.SHARD_FAILED, message)
    first = _FIRST_SPACE[layout]
    space = range(first, first + 2)
    # A window of a filter with n rows covers (n - 1) * dilation + 1 of them.
    more = [1 - dilations[at] - sum(explicit[2 * at : 2 * at + 2]) for at in space]
    windows = added.first_two(added.shape(node.input[1], dtype))
    covered = added.of("AddV2", added.of("Mul", windows, added.constant([dilations[at] for at in space])),
                       added.constant(more))  # fmt: skip
    needed = added.joined(added.constant([0] * first), covered, added.constant([0] * (2 - first)))
    shape = added.shape(given, dtype)
    small = added.of("Less", shape, needed)
    return added.chosen(small, added.constant([_NEGATIVE] * 4), shape)


class _Nodes:
    """Adds nodes to a graph or a function, before a node."""

    def __init__(self, nodes: Any, before: Any, *, inside: bool) -> None:
        self._nodes, self._before, self._inside, self._count = nodes, before, inside, 0

    def _add(self, op: str, *inputs: str, **types: int) -> tuple[Any, str]:
        name = f"{self._before.name}_guard_{self._count}"
        self._count += 1
        node = self._nodes.add(name=name, op=op, input=inputs, device=self._before.device)
        for attribute, number in types.items():
            node.attr[attribute].type = number
        return node, f"{name}:{_OUTPUTS.get(op, 'output')}:0" if self._inside else name

    def ensured(self, given: str, dtype: int) -> str:
        node, output = self._add("EnsureShape", given, T=dtype)
        node.attr["shape"].shape.CopyFrom(tf.TensorShape([None] * 4).as_proto())
        return output

    def reshaped(self, given: str, dtype: int, shape: str) -> str:
        return self._add("Reshape", given, shape, T=dtype, Tshape=_INT32)[1]

    def shape(self, given: str, dtype: int) -> str:
        return self._add("Shape", given, T=dtype, out_type=_INT32)[1]

    def constant(self, values: list[int]) -> str:
        node, output = self._add("Const", dtype=_INT32)
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values, tf.int32))
        return output

    def of(self, op: str, one: str, other: str) -> str:
        return self._add(op, one, other, T=_INT32)[1]

    def first_two(self, given: str) -> str:
        return self._add("Slice", given, self.constant([0]), self.constant([2]), T=_INT32, Index=_INT32)[1]

    def joined(self, *given: str) -> str:
        node, _ = self._add("Const", dtype=_INT32)
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0, tf.int32))
        axis = f"{node.name}:output:0" if self._inside else node.name
        node, output = self._add("ConcatV2", *given, axis, T=_INT32, Tidx=_INT32)
        node.attr["N"].i = len(given)
        return output

    def chosen(self, condition: str, one: str, other: str) -> str:
        return self._add("SelectV2", condition, one, other, T=_INT32)[1]
