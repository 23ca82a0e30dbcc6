"""What operations do with single records: which keep each record in its place, and which sum over records.

An operation that has no rule here makes the place of the records unknown. That is always correct. It can only lead to
one warning too many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fedjobs_verifier import graph_pb2 as pb

from fedjobs_worker.consent.graphs.flow_values import (
    ALL_AXES,
    CHOSEN,
    MIXED,
    ONE,
    RANK,
    SHAPE,
    Constant,
    Level,
    Value,
    common,
    mixed_of,
    without_records,
    worst,
)

_ELEMENTWISE_NAMES = """
Abs Acos Acosh Add AddN AddV2 ApproximateEqual Asin Asinh Atan Atan2 Atanh BitwiseAnd BitwiseOr BitwiseXor Bucketize
Cast Ceil CheckNumerics ClipByValue Complex ComplexAbs Conj Cos Cosh Digamma Div DivNoNan Elu EluGrad EnsureShape
Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Identity Imag Inv InvGrad Invert
IsFinite IsInf IsNan LeakyRelu Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod
Mul MulNoNan Neg NotEqual Pow PreventGradient Real RealDiv Reciprocal ReciprocalGrad Relu Relu6 Relu6Grad ReluGrad
RightShift Rint Round Rsqrt RsqrtGrad SelectV2 Selu SeluGrad Sigmoid SigmoidGrad Sign Sin Sinh Softplus SoftplusGrad
Softsign SoftsignGrad Sqrt SqrtGrad Square SquaredDifference StopGradient Sub Tan Tanh TanhGrad TruncateDiv
TruncateMod Xdivy Xlog1py Xlogy ZerosLike OnesLike
"""
ELEMENTWISE = frozenset(_ELEMENTWISE_NAMES.split())
PASSING = frozenset({"Identity", "Cast", "StopGradient", "PreventGradient", "EnsureShape", "CheckNumerics"})
"""Element by element, of one input, so that a sum stays a sum."""
COUNTS = frozenset({"Shape", "ShapeN", "Size", "Rank", "OptionalHasValue", "DatasetCardinality", "TensorListLength"})
"""Depend on the number of records only."""
SUMS = frozenset({"Sum", "Mean", "All", "Any", "EuclideanNorm"})
CHOICES = frozenset({"Max", "Min", "Prod", "ArgMax", "ArgMin"})
"""Reductions whose result can be the value of one record."""
GROUPED = frozenset({"UnsortedSegmentSum", "SegmentSum", "SegmentMean", "SegmentSumV2"})
_BATCH_FIRST_NAMES = """
AvgPool AvgPool3D MaxPool MaxPool3D MaxPoolV2 LRN Softmax LogSoftmax ResizeBilinear ResizeNearestNeighbor
SparseSoftmaxCrossEntropyWithLogits SoftmaxCrossEntropyWithLogits MaxPoolGrad MaxPoolGradV2
"""
BATCH_FIRST = frozenset(_BATCH_FIRST_NAMES.split())
"""Work on each record of dimension 0 by itself, for all their outputs and inputs."""
_SHAPED = {"Reshape": 1, "BroadcastTo": 1, **dict.fromkeys(
    ("Fill", "RandomUniform", "RandomStandardNormal", "StatelessRandomUniform", "StatelessRandomUniformV2",
     "StatelessRandomNormalV2"), 0
)}  # fmt: skip
"""Operations whose output has the shape that one of their inputs says."""
_CONVOLUTIONS = frozenset({"Conv2D", "Conv3D", "DepthwiseConv2dNative", "BiasAdd", "BiasAddV1"})
_INPUT_GRADIENTS = frozenset({"Conv2DBackpropInput", "Conv3DBackpropInputV2", "DepthwiseConv2dNativeBackpropInput",
                              "AvgPoolGrad", "AvgPool3DGrad"})  # fmt: skip
_FILTER_GRADIENTS = frozenset({"Conv2DBackpropFilter", "Conv3DBackpropFilterV2",
                               "DepthwiseConv2dNativeBackpropFilter"})  # fmt: skip

Bit = Callable[[str], int]
"""Returns the bit of an operation that aggregates."""


def applied(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    """Returns what the outputs of a node hold. One value stands for all outputs that are not listed.

    Args:
        node: A node that neither calls a function nor is about datasets or resources.
        inputs: What its inputs hold.
        bit: Returns the bit of an operation that aggregates.
    """
    op = node.op
    if op in _OF_ALL_LEVELS:
        return [_OF_ALL_LEVELS[op](inputs, op)]
    settled = [value.settled() if value.elements is None else _opaque(value) for value in inputs]
    if not any(value.level is Level.RECORDS for value in settled):
        return [replace(mixed_of(settled), rank=_rank(node, settled), constant=_folded(op, settled))]
    rule = _RULES.get(op)
    if rule is not None:
        return rule(node, settled, bit)
    if op in ELEMENTWISE:
        return [_elementwise(settled, op)]
    if op in BATCH_FIRST:
        return _batch_first(op, settled)
    return [worst(settled, op)]


def _opaque(value: Value) -> Value:
    """Returns a dataset or an optional as something whose elements are not known."""
    mixed = mixed_of([value])
    return replace(mixed, axis=MIXED) if mixed.level is Level.RECORDS else mixed


def _counted(inputs: Sequence[Value], op: str) -> Value:
    if op == "Rank":
        return replace(without_records(inputs, 0), constant=RANK if inputs[0].rank is None else (inputs[0].rank,))
    found = without_records(inputs, 1 if op in ("Shape", "ShapeN") else 0)
    rank = inputs[0].rank if op == "Shape" else None
    return found if rank is None else replace(found, constant=f"{SHAPE}{rank}")


def _like(inputs: Sequence[Value], op: str) -> Value:  # noqa: ARG001 (all rules have these arguments)
    """Zeros or ones: only the number of records is left."""
    return without_records(inputs, inputs[0].rank)


def _passed(inputs: Sequence[Value], op: str) -> Value:
    value = inputs[0]
    path = value.path if value.level is not Level.RECORDS or op == "Identity" else value.moved(0, None, op).path
    return replace(value, path=path, constant=value.constant if op in ("Identity", "Cast") else None)


def _added(inputs: Sequence[Value], op: str) -> Value:
    """A loop's variable plus something is carried on. What is added counts when the loop ends its step."""
    carrying = [value for value in (inputs[:1] if op == "Sub" else inputs) if value.carries]
    if len(carrying) != 1:
        settled = [value.settled() for value in inputs]
        return _elementwise(settled, op)
    others = [value.settled() for value in inputs if value is not carrying[0]]
    other = _elementwise(others, op) if others else Value()
    state = carrying[0]
    level, axis = max(state.added, other.level), state.added_axis
    if other.level is Level.RECORDS:
        axis = common([other.axis, *([state.added_axis] if state.added is Level.RECORDS else [])])
    return replace(
        state,
        rank=_most(state.rank, other.rank),
        sources=state.sources | other.sources,
        through=state.through | other.through,
        added=level,
        added_axis=axis,
        constant=None,
        path=other.path or state.path,
        lost=other.lost or state.lost,
    )


def _most(*ranks: int | None) -> int | None:
    known = [rank for rank in ranks if rank is not None]
    return max(known) if len(known) == len(ranks) and known else None


def _elementwise(inputs: Sequence[Value], op: str) -> Value:
    """Each output element depends on the elements in the same place, after shapes are aligned at the right."""
    mixed = mixed_of(inputs)
    rank = _most(*(value.rank for value in inputs))
    if mixed.level is not Level.RECORDS:
        return replace(mixed, rank=rank)
    axes = []
    for value in inputs:
        if value.level is Level.RECORDS:
            known = value.axis < 0 or (rank is not None and value.rank is not None)
            shift = (rank or 0) - (value.rank or 0) if value.axis >= 0 else 0
            axes.append(value.axis + shift if known else MIXED)
    return mixed.moved(common(axes), rank, op)


def _batch_first(op: str, inputs: Sequence[Value]) -> list[Value]:
    axes = [value.axis for value in inputs if value.level is Level.RECORDS]
    axis = common(axes)
    rank = inputs[0].rank
    if op.endswith("CrossEntropyWithLogits"):
        if axis > 0:
            axis = MIXED
        mixed = mixed_of(inputs)
        return [mixed.moved(axis, 1, op), mixed.moved(axis, 2, op)]
    if op in ("Softmax", "LogSoftmax") and rank is not None and axis == rank - 1:
        axis = MIXED
    return [mixed_of(inputs).moved(axis if axis <= 0 else MIXED, rank, op)]


def _range(inputs: Sequence[Value], op: str) -> Value:  # noqa: ARG001 (all rules have these arguments)
    constants = [value.constant for value in inputs]
    found = without_records(inputs, 1)
    if constants[0] == (0,) and constants[1] == RANK and constants[2] == (1,):
        return replace(found, constant=ALL_AXES)
    limits = [one[0] for one in constants if isinstance(one, tuple) and len(one) == 1]
    if len(limits) == 3 and limits[2]:
        numbers = range(*limits)
        return replace(found, constant=tuple(numbers)) if len(numbers) <= 16 else found
    return found


def axes_of(value: Value, rank: int | None) -> tuple[int, ...] | str | None:
    """Returns the dimensions that a constant names, none of them negative. None if they are not known."""
    if value.constant == ALL_AXES or not isinstance(value.constant, tuple):
        return value.constant if value.constant == ALL_AXES else None
    if all(axis >= 0 for axis in value.constant):
        return value.constant
    return tuple(axis % rank for axis in value.constant) if rank else None


def _reduced(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    value, op = inputs[0], node.op
    axes = axes_of(inputs[1], value.rank)
    keep = node.attr["keep_dims"].b if "keep_dims" in node.attr else False
    mixed = mixed_of(inputs)
    if value.level is not Level.RECORDS or inputs[1].level is Level.RECORDS or axes is None:
        return [worst(inputs, op)]
    if isinstance(axes, str):
        rank: int | None = value.rank if keep else 0
    else:
        rank = None if value.rank is None else value.rank - (0 if keep else len(set(axes)))
    if value.axis < 0:
        return [mixed.moved(value.axis, rank, op)]
    if axes == ALL_AXES or value.axis in axes:
        if op in SUMS:
            return [replace(without_records(inputs, rank), through=mixed.through | bit(op))]
        return [mixed.moved(CHOSEN, rank, op)]
    before = 0 if keep or isinstance(axes, str) else sum(axis < value.axis for axis in set(axes))
    return [mixed.moved(value.axis - before, rank, op)]


def _multiplied(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    names = ("transpose_a", "transpose_b") if node.op == "MatMul" else ("adj_x", "adj_y")
    turned = [name in node.attr and node.attr[name].b for name in names]
    rank = 2 if node.op == "MatMul" else _most(inputs[0].rank, inputs[1].rank)
    mixed = mixed_of(inputs)
    if rank is None or (node.op != "MatMul" and inputs[0].rank != inputs[1].rank):
        return [worst(inputs, node.op)]
    contracted = (rank - 2 if turned[0] else rank - 1, rank - 1 if turned[1] else rank - 2)
    places = []
    for value, gone, side in zip(inputs, contracted, (0, 1), strict=True):
        if value.level is Level.RECORDS:
            if value.axis == gone:
                places.append("gone")
            elif value.axis < 0:
                places.append(str(value.axis))
            else:
                places.append(str(value.axis if value.axis < rank - 2 else rank - 2 + side))
    if set(places) == {"gone"}:
        return [replace(without_records(inputs, rank), through=mixed.through | bit(node.op))]
    if len(set(places)) > 1 or "gone" in places:
        return [mixed.moved(MIXED, rank, node.op)]
    return [mixed.moved(int(places[0]), rank, node.op)]


def _einsum(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    equation = node.attr["equation"].s.decode("ascii", "replace").replace(" ", "")
    mixed = mixed_of(inputs)
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if not arrow or "." in equation or len(terms) != len(inputs):
        return [worst(inputs, node.op)]
    places: set[int | str] = set()
    for value, term in zip(inputs, terms, strict=True):
        if value.level is Level.RECORDS:
            label = term[value.axis] if 0 <= value.axis < len(term) else ""
            places.add(value.axis if value.axis < 0 else right.find(label) if label in right else f"gone {label}")
    (place, *others) = places
    if others:
        return [mixed.moved(MIXED, len(right), node.op)]
    if isinstance(place, str):
        return [replace(without_records(inputs, len(right)), through=mixed.through | bit(node.op))]
    return [mixed.moved(place, len(right), node.op)]


def _bias_gradient(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    """Sums over all dimensions but that of the channels, which is the last one or the second one."""
    value = inputs[0]
    if value.axis == 0 and (value.rank or 0) >= 2:
        return [replace(without_records(inputs, 1), through=value.through | bit(node.op))]
    return [worst(inputs, node.op) if value.axis >= 0 else value.moved(value.axis, 1, node.op)]


def _filter_gradient(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    value, gradient = inputs[0], inputs[2]
    if all(each.level is Level.RECORDS and each.axis == 0 for each in (value, gradient)):
        mixed = mixed_of(inputs)
        return [replace(without_records(inputs, value.rank), through=mixed.through | bit(node.op))]
    return [worst(inputs, node.op)]


def _first_input(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    """Works on each record of dimension 0 by itself. The other inputs are weights."""
    value, others = inputs[0], inputs[1:]
    if value.axis <= 0 and all(other.level is not Level.RECORDS for other in others):
        return [mixed_of(inputs).moved(value.axis, value.rank, node.op)]
    return [worst(inputs, node.op)]


def _last_input(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    return _first_input(node, [inputs[-1], *inputs[:-1]], bit)


def _grouped(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    """Sums by group. If the groups are not of the data, each record can have one, and nothing is summed."""
    value, groups = inputs[0], inputs[1]
    if value.level is Level.RECORDS and groups.level is Level.RECORDS and value.axis == groups.axis == 0:
        mixed = mixed_of(inputs)
        return [replace(mixed, level=Level.GROUPS, axis=ONE, through=mixed.through | bit(node.op), path=())]
    return [worst(inputs, node.op)]


def _gathered(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    """A lookup in something that is not of the data keeps each record in its place."""
    table, index = inputs[0], inputs[1]
    axis = inputs[2].constant if len(inputs) > 2 else (0,)
    if table.level is not Level.RECORDS and axis == (0,) and node.op != "GatherNd":
        rank = None if table.rank is None or index.rank is None else table.rank + index.rank - 1
        return [mixed_of(inputs).moved(index.axis, rank, node.op)]
    return [worst(inputs, node.op)]


def _transposed(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    value, order = inputs[0], inputs[1].constant
    if value.axis < 0:
        return [value.moved(value.axis, value.rank, node.op)]
    if isinstance(order, tuple) and value.axis in order:
        return [mixed_of(inputs).moved(order.index(value.axis), value.rank, node.op)]
    return [worst(inputs, node.op)]


def _expanded(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    value, dimension = inputs[0], inputs[1].constant
    rank = None if value.rank is None else value.rank + 1
    if value.axis < 0:
        return [value.moved(value.axis, rank, node.op)]
    if not isinstance(dimension, tuple) or len(dimension) != 1 or (dimension[0] < 0 and rank is None):
        return [worst(inputs, node.op)]
    place = dimension[0] if dimension[0] >= 0 else dimension[0] % (rank or 1)
    return [value.moved(value.axis + (place <= value.axis), rank, node.op)]


def _squeezed(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    value = inputs[0]
    gone = list(node.attr["squeeze_dims"].list.i) if "squeeze_dims" in node.attr else []
    rank = value.rank - len(gone) if value.rank is not None and gone else None
    if value.axis < 0:
        return [value.moved(value.axis, rank, node.op)]
    if not gone or (min(gone) < 0 and value.rank is None):
        return [worst(inputs, node.op)]
    places = [place % value.rank if place < 0 and value.rank else place for place in gone]
    if value.axis in places:
        return [value.moved(CHOSEN, rank, node.op)]
    return [value.moved(value.axis - sum(place < value.axis for place in places), rank, node.op)]


def _reshaped(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    """A vector over the records stays one, and so does one record. Else several records can come into one row."""
    value, shape = inputs[0], inputs[1].constant
    rank = len(shape) if isinstance(shape, tuple) else None
    if value.axis < 0:
        return [value.moved(value.axis, rank, node.op)]
    if value.axis == 0 and isinstance(shape, tuple) and shape and shape[0] == -1 and set(shape[1:]) <= {1}:
        return [mixed_of(inputs).moved(0, rank, node.op)]
    return [worst(inputs, node.op)]


def _rank(node: pb.Node, inputs: Sequence[Value]) -> int | None:
    """Returns the rank of the output of an operation whose inputs have no records."""
    op = node.op
    if op in ELEMENTWISE:
        return _most(*(value.rank for value in inputs))
    if op in _SHAPED:
        shape = inputs[_SHAPED[op]].constant
        if isinstance(shape, str) and shape.startswith(SHAPE):
            return int(shape.removeprefix(SHAPE))
        return len(shape) if isinstance(shape, tuple) else None
    if op in ("Tile", "Transpose", "Softmax", "BiasAdd", "Reverse", "ReverseV2"):
        return inputs[0].rank
    if op in ("MatMul",):
        return 2
    if op == "ExpandDims":
        return None if inputs[0].rank is None else inputs[0].rank + 1
    if op in ("L2Loss", "Size"):
        return 0
    if op in SUMS or op in CHOICES:
        return _rank_of_reduced(node, inputs)
    return _rank_of_gathered(node, inputs) if op == "GatherV2" else None


def _rank_of_reduced(node: pb.Node, inputs: Sequence[Value]) -> int | None:
    rank, axes = inputs[0].rank, axes_of(inputs[1], inputs[0].rank)
    if "keep_dims" in node.attr and node.attr["keep_dims"].b:
        return rank
    if axes == ALL_AXES or rank == 0:
        return 0
    return None if rank is None or axes is None else rank - len(set(axes))


def _rank_of_gathered(node: pb.Node, inputs: Sequence[Value]) -> int | None:
    table, index = inputs[0].rank, inputs[1].rank
    if table is None or index is None or ("batch_dims" in node.attr and node.attr["batch_dims"].i):
        return None
    return table + index - 1


def _folded(op: str, inputs: Sequence[Value]) -> Constant:
    """Returns small integers that follow from those of the inputs, as in the gradients of reductions."""
    constants = [value.constant for value in inputs]
    if op == "FloorMod":
        one, other = constants
        if isinstance(one, tuple) and isinstance(other, tuple) and len(other) == 1 and other[0] > 0:
            return tuple(number % other[0] for number in one)
    if op == "DynamicStitch":
        half = len(inputs) // 2
        indices = [index for each in constants[:half] if isinstance(each, tuple) for index in each]
        known = all(isinstance(each, tuple) for each in constants[:half])
        shape = constants[half]
        # The sizes of a tensor, of which some are replaced
        if known and isinstance(shape, str) and shape == f"{SHAPE}{max(indices, default=-1) + 1}":
            return shape
    return None


def _sliced(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    """A slice that takes all of the first dimension keeps the records there."""
    value = inputs[0]
    masks = {
        name: node.attr[name].i if name in node.attr else 0
        for name in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    }
    steps = inputs[3].constant
    whole = masks["begin_mask"] & masks["end_mask"] & ~masks["new_axis_mask"] & ~masks["shrink_axis_mask"] & 1
    others = any(each.level is Level.RECORDS for each in inputs[1:])
    if value.axis != 0 or not whole or others or not isinstance(steps, tuple) or steps[0] != 1:
        return [worst(inputs, node.op)]
    if masks["ellipsis_mask"]:
        return [worst(inputs, node.op)]
    added, gone = masks["new_axis_mask"].bit_count(), (masks["shrink_axis_mask"] & ~masks["new_axis_mask"]).bit_count()
    return [value.moved(0, None if value.rank is None else value.rank + added - gone, node.op)]


def _one_hot(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    value = inputs[0]
    if any(each.level is Level.RECORDS for each in inputs[1:]) or node.attr["axis"].i != -1:
        return [worst(inputs, node.op)]
    return [value.moved(value.axis, None if value.rank is None else value.rank + 1, node.op)]


def _selected(node: pb.Node, inputs: Sequence[Value], _: Bit) -> list[Value]:
    """Select, whose condition has the shape of the values, or selects rows."""
    if inputs[0].rank is None or inputs[0].rank != inputs[1].rank:
        return [worst(inputs, node.op)]
    return [_elementwise(inputs, node.op)]


def _norm(node: pb.Node, inputs: Sequence[Value], bit: Bit) -> list[Value]:
    value = inputs[0]
    if value.axis >= 0:
        return [replace(without_records(inputs, 0), through=value.through | bit(node.op))]
    return [value.moved(value.axis, 0, node.op)]


_OF_ALL_LEVELS: Mapping[str, Callable[[Sequence[Value], str], Value]] = {
    **dict.fromkeys(PASSING, _passed),
    **dict.fromkeys(("Add", "AddV2", "Sub", "AddN"), _added),
    **dict.fromkeys(COUNTS, _counted),
    **dict.fromkeys(("ZerosLike", "OnesLike"), _like),
    "Range": _range,
}
_RULES: Mapping[str, Callable[[pb.Node, Sequence[Value], Bit], list[Value]]] = {
    **dict.fromkeys((*SUMS, *CHOICES), _reduced),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _multiplied),
    "Einsum": _einsum,
    "BiasAddGrad": _bias_gradient,
    **dict.fromkeys(_FILTER_GRADIENTS, _filter_gradient),
    **dict.fromkeys(_CONVOLUTIONS, _first_input),
    **dict.fromkeys(_INPUT_GRADIENTS, _last_input),
    **dict.fromkeys(GROUPED, _grouped),
    **dict.fromkeys(("Gather", "GatherV2", "GatherNd"), _gathered),
    "Transpose": _transposed,
    "ExpandDims": _expanded,
    "Squeeze": _squeezed,
    "Reshape": _reshaped,
    "L2Loss": _norm,
    "StridedSlice": _sliced,
    "OneHot": _one_hot,
    "Select": _selected,
}
