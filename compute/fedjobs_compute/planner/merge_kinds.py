"""Finds the leaves of a merge that are plain sums, minima or maxima, from the merge's graph."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from fedjobs_compute.planner.programs import LeafKey, NamedProgram, Segment
from fedjobs_compute.plans import MergeKind

_KINDS = {
    "Add": MergeKind.SUM,
    "AddV2": MergeKind.SUM,
    "Minimum": MergeKind.MINIMUM,
    "Maximum": MergeKind.MAXIMUM,
}

# Excludes strings, for which Add concatenates, and dtypes that numpy or the framing of values do not support.
_BLOCKWISE = frozenset(
    t.as_datatype_enum
    for t in (
        *(tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64),
        *(tf.uint8, tf.uint16, tf.uint32, tf.uint64),
    )
)


def merge_kinds(merge: NamedProgram, left: Sequence[LeafKey], right: Sequence[LeafKey]) -> tuple[MergeKind | None, ...]:
    """Returns the merge kind of each leaf of a program that merges two accumulators with these leaves."""
    makers = {key: segment for segment in merge.segments for key in segment.outputs}
    return tuple(
        _kind(makers[output], output, {a, b}) if output in makers else None
        for output, a, b in zip(merge.outputs, left, right, strict=True)
    )


def _kind(segment: Segment, output: LeafKey, operands: set[LeafKey]) -> MergeKind | None:
    if segment.initialize_op:
        return None
    nodes = {node.name: node for node in segment.graph_def.node}
    feeds = {feed.partition(":")[0]: key for feed, key in zip(segment.feeds, segment.inputs, strict=True)}

    def source(tensor: str) -> str:
        name = tensor.partition(":")[0]
        while nodes[name].op == "Identity" and len(nodes[name].input) == 1:
            name = nodes[name].input[0].partition(":")[0]
        return name

    node = nodes[source(segment.fetches[segment.outputs.index(output)])]
    kind = _KINDS.get(node.op)
    if kind is None or len(node.input) != 2 or node.attr["T"].type not in _BLOCKWISE:
        return None
    return kind if {feeds.get(source(i)) for i in node.input} == operands else None
