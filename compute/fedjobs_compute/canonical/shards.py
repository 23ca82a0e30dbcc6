"""The canonical form of a shard: of the names of its leaves, and of its programs."""

from __future__ import annotations

from collections.abc import Iterable

from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier.program_order import Uses, label_of
from tensorflow.core.framework.graph_pb2 import GraphDef

from fedjobs_compute.canonical.graphs import canonical_graph


def canonical_shard(shard: shard_pb2.Shard) -> shard_pb2.Shard:
    """Returns the shard in the one form that silos run. Its meaning is the same.

    Raises:
        CanonicalError: A graph has no canonical form.
    """
    return shard_pb2.Shard(
        format=shard.format,
        broadcasts=map(_without_names, shard.broadcasts),
        client_inputs=map(_with_columns, shard.client_inputs),
        accumulators=map(_without_names, shard.accumulators),
        zero=canonical_program(shard.zero),
        work=canonical_program(shard.work),
        accumulate=canonical_program(shard.accumulate),
        kept_inputs=[
            shard_pb2.KeptInput(type=_without_names(kept.type), shard=kept.shard, output=kept.output)
            for kept in shard.kept_inputs
        ],
        kept_outputs=map(_without_names, shard.kept_outputs),
    )


def _with_columns(leaf: shard_pb2.Leaf) -> shard_pb2.Leaf:
    """Returns a leaf whose components keep their names, by which the silo finds its data."""
    result = shard_pb2.Leaf()
    result.CopyFrom(leaf)
    result.ClearField("name")
    return result


def _without_names(leaf: shard_pb2.Leaf) -> shard_pb2.Leaf:
    result = _with_columns(leaf)
    for component in result.sequence.components if result.HasField("sequence") else ():
        component.ClearField("name")
    return result


def canonical_program(program: shard_pb2.Program) -> shard_pb2.Program:
    """Returns the program with its segments, their inputs and their outputs in the canonical order.

    It is found from the end, see `fedjobs_verifier.program_order`. What nothing uses is left out.
    """
    same = _aliases(program)
    values = _values(program)
    inputs = [[same.get(value, value) for value in segment.inputs] for segment in program.segments]
    outputs = [same.get(value, value) for value in program.outputs]
    uses = Uses(program.inputs, [(i, len(s.fetches)) for i, s in zip(inputs, program.segments, strict=True)], outputs)
    done: list[tuple[shard_pb2.Segment, list[int]]] = []
    while (number := uses.last()) is not None:
        wanted = uses.values(number)
        segment = _canonical_segment(
            program.segments[number], inputs[number], [v - values[number] for v in wanted], program.inputs
        )
        uses.take(number, segment.inputs)
        done.append((segment, wanted))
    numbers = {value: value for value in range(program.inputs)}
    result = shard_pb2.Program(inputs=program.inputs)
    for segment, made in reversed(done):
        segment.inputs[:] = [numbers[value] for value in segment.inputs]
        result.segments.append(segment)
        for value in made:
            numbers[value] = len(numbers)
    result.outputs.extend(numbers[value] for value in outputs)
    return result


def _values(program: shard_pb2.Program) -> list[int]:
    """Returns the first value of each segment."""
    first, result = program.inputs, []
    for segment in program.segments:
        result.append(first)
        first += len(segment.fetches)
    return result


def _aliases(program: shard_pb2.Program) -> dict[int, int]:
    """Returns the values that are equal to an earlier one: a fetched input, or a tensor that is fetched again."""
    same: dict[int, int] = {}
    for first, segment in zip(_values(program), program.segments, strict=True):
        known = {feed: same.get(value, value) for feed, value in zip(segment.feeds, segment.inputs, strict=True)}
        for value, fetch in enumerate(segment.fetches, first):
            if known.setdefault(fetch, value) != value:
                same[value] = known[fetch]
    return same


def _canonical_segment(
    segment: shard_pb2.Segment, inputs: list[int], wanted: Iterable[int], of_program: int
) -> shard_pb2.Segment:
    """Returns a segment that computes some of its outputs, in this order. Its inputs are values of the old program."""
    graph = GraphDef.FromString(segment.graph_def)
    feeds: dict[int, str] = {}
    for value, feed in zip(inputs, segment.feeds, strict=True):
        if feeds.setdefault(value, feed) != feed:
            _replace(graph, feed.partition(":")[0], feeds[value].partition(":")[0])
    fetches = [segment.fetches[number] for number in wanted]
    canonical = canonical_graph(
        graph,
        list(feeds.values()),
        fetches,
        [segment.initialize_op] if segment.initialize_op else [],
        segment.session_token_tensor,
        [label_of(value, of_program) for value in feeds],
    )
    used = {feed: value for value, feed in zip(feeds, canonical.feeds, strict=True) if feed}
    names = [f"input_{number}:0" for number in range(len(used))]
    return shard_pb2.Segment(
        graph_def=canonical.graph_def.SerializeToString(deterministic=True),
        inputs=[used[name] for name in names],
        feeds=names,
        fetches=canonical.fetches,
        output_types=[_without_names(segment.output_types[number]) for number in wanted],
        initialize_op=canonical.operations[0] if canonical.operations else "",
        session_token_tensor=canonical.token or "",
    )


def _replace(graph: GraphDef, old: str, new: str) -> None:
    """Makes the users of a node use another one."""
    for node in graph.node:
        node.input[:] = [
            text.replace(old, new, 1) if text.lstrip("^").partition(":")[0] == old else text for text in node.input
        ]
