"""Converts blocks of unplaced calls to programs: sequences of TensorFlow graphs over numbered leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb
from tensorflow_federated.python.core.impl.compiler import transformations
from tensorflow_federated.python.core.impl.utils import tensorflow_utils

from fedjobs_compute.canonical import CanonicalError, canonical_graph
from fedjobs_compute.planner.call_dominant import unbound_references, without_literals
from fedjobs_compute.planner.leaves import count_leaves, leaves_of
from fedjobs_compute.planner.lowering import Emitter, Value

_PLACEHOLDERS = ("Placeholder", "PlaceholderV2")


@dataclass(frozen=True, order=True)
class LeafKey:
    """A leaf of a named value."""

    name: str
    index: int


@dataclass(frozen=True)
class Segment:
    """A graph over named leaves."""

    graph_def: tf.compat.v1.GraphDef
    inputs: tuple[LeafKey, ...]
    feeds: tuple[str, ...]
    outputs: tuple[LeafKey, ...]
    fetches: tuple[str, ...]
    output_types: tuple[shard_pb2.Leaf, ...]
    initialize_op: str
    session_token: str


@dataclass(frozen=True)
class NamedProgram:
    """A program before its values are numbered.

    Attributes:
        segments: The segments in order.
        outputs: The leaf for each leaf of the result.
        output_types: The types of these leaves, named by their path in the result.
    """

    segments: tuple[Segment, ...]
    outputs: tuple[LeafKey, ...]
    output_types: tuple[shard_pb2.Leaf, ...]

    def used(self) -> list[LeafKey]:
        """Returns the leaves that the program does not compute itself, in the order of their first use."""
        made: set[LeafKey] = set()
        result: dict[LeafKey, None] = {}
        for segment in self.segments:
            result.update((key, None) for key in segment.inputs if key not in made)
            made.update(segment.outputs)
        result.update((key, None) for key in self.outputs if key not in made)
        return list(result)

    def with_outputs(self, numbers: Sequence[int]) -> NamedProgram:
        """Returns the program with only these of its outputs, by their numbers."""
        return replace(
            self,
            outputs=tuple(self.outputs[n] for n in numbers),
            output_types=tuple(self.output_types[n] for n in numbers),
        )

    def operations(self) -> set[str]:
        """Returns the names of all operations in its graphs and their functions."""
        return {
            node.op
            for segment in self.segments
            for nodes in [segment.graph_def.node, *(f.node_def for f in segment.graph_def.library.function)]
            for node in nodes
        }

    def numbered(self, inputs: Sequence[LeafKey]) -> shard_pb2.Program:
        """Returns the program with numbered values: the inputs in this order, then the outputs of the segments."""
        numbers = {key: i for i, key in enumerate(inputs)}
        result = shard_pb2.Program(inputs=len(inputs))
        count = len(inputs)
        for segment in self.segments:
            result.segments.add(
                graph_def=segment.graph_def.SerializeToString(deterministic=True),
                inputs=[numbers[key] for key in segment.inputs],
                feeds=segment.feeds,
                fetches=segment.fetches,
                output_types=segment.output_types,
                initialize_op=segment.initialize_op,
                session_token_tensor=segment.session_token,
            )
            for key in segment.outputs:
                numbers[key] = count
                count += 1
        result.outputs.extend(numbers[key] for key in self.outputs)
        return result


@dataclass
class _Calls:
    """Calls that share one graph."""

    calls: list[tuple[str, bb.ComputationBuildingBlock]] = field(default_factory=list)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def references(self) -> list[str]:
        inner = set(self.names())
        return list(dict.fromkeys(r for _, c in self.calls for r in unbound_references(c) if r not in inner))


def build_program(inputs: Iterable[tuple[str, tff.Type]], block: bb.ComputationBuildingBlock) -> NamedProgram:
    """Converts a block without placements to a program.

    A call with an initializer gets a separate segment, because each call resets its variables, and no other call may
    depend on when this happens. All other adjacent calls share one graph.

    Args:
        inputs: Names and types of the block's unbound references.
        block: A block whose calls are TensorFlow computations, lambdas and intrinsics on sequences.
    """
    flat = transformations.to_call_dominant(block)
    local_calls, result = (list(flat.locals), flat.result) if isinstance(flat, bb.Block) else ([], flat)
    literals: dict[str, bb.ComputationBuildingBlock] = {}
    result = without_literals(result, literals)
    local_calls += literals.items()
    types = dict(inputs) | {name: call.type_signature for name, call in local_calls}
    groups = _group(local_calls)
    aliases: dict[LeafKey, LeafKey] = {}
    segments = []
    result_references = set(unbound_references(result))
    for i, group in enumerate(groups):
        later = result_references.union(*(g.references() for g in groups[i + 1 :]))
        wanted = [name for name in group.names() if name in later]
        segment = _write_segment(group, types, wanted, aliases)
        if segment.fetches or segment.initialize_op:
            segments.append(segment)
    outputs = tuple(aliases.get(key, key) for key in result_keys(result))
    return NamedProgram(tuple(segments), outputs, tuple(leaves_of(result.type_signature)))


def _group(calls: list[tuple[str, bb.ComputationBuildingBlock]]) -> list[_Calls]:
    groups: list[_Calls] = []
    alone = True
    for name, call in calls:
        initializes = _initializes(call)
        if initializes or alone:
            groups.append(_Calls())
        groups[-1].calls.append((name, call))
        alone = initializes
    return groups


def _initializes(block: bb.ComputationBuildingBlock) -> bool:
    if isinstance(block, bb.CompiledComputation):
        return bool(block.proto.tensorflow.initialize_op)
    return any(_initializes(child) for child in block.children())


def result_keys(block: bb.ComputationBuildingBlock) -> list[LeafKey]:
    """Returns the leaves of a structure of references and selections."""
    if isinstance(block, bb.Struct):
        return [key for element in block for key in result_keys(element)]
    return reference_keys(block)


def reference_keys(block: bb.ComputationBuildingBlock) -> list[LeafKey]:
    """Returns the leaves of a reference, or of a selection from one.

    Raises:
        TypeError: For any other block.
    """
    if isinstance(block, bb.Reference):
        return [LeafKey(block.name, i) for i in range(count_leaves(unplaced_member(block.type_signature)))]
    if isinstance(block, bb.Selection):
        elements = [
            unplaced_member(e) for _, e in structure.iter_elements(unplaced_member(block.source.type_signature))
        ]
        start = sum(count_leaves(e) for e in elements[: block.as_index()])
        return reference_keys(block.source)[start : start + count_leaves(elements[block.as_index()])]
    raise TypeError(f"neither a reference nor a selection: {type(block).__name__}")


def unplaced_member(type_: tff.Type) -> tff.Type:
    """Returns the member of a federated type, also inside structures. Returns other types unchanged."""
    if isinstance(type_, tff.FederatedType):
        return type_.member
    if isinstance(type_, tff.StructType):
        return tff.StructType([(n, unplaced_member(e)) for n, e in structure.iter_elements(type_)])
    return type_


def _write_segment(
    group: _Calls, types: Mapping[str, tff.Type], wanted: list[str], aliases: dict[LeafKey, LeafKey]
) -> Segment:
    """Converts a group of calls to a graph. Outputs that are unchanged inputs become aliases instead."""
    with tf.Graph().as_default() as graph:
        token = tf.compat.v1.placeholder(tf.string, (), name="session_token")
        emitter = Emitter(token)
        environment: dict[str, Value] = {}
        feeds: dict[LeafKey, str] = {}
        for name in group.references():
            value, binding = tensorflow_utils.stamp_parameter_in_graph("input", types[name], graph)
            environment[name] = value
            feeds |= {LeafKey(name, i): t for i, t in enumerate(_tensor_names(binding))}
        for name, call in group.calls:
            environment[name] = emitter.value(call, environment)
        fetches: dict[LeafKey, str] = {}
        for name in wanted:
            _, binding = tensorflow_utils.capture_result_from_graph(environment[name], graph)
            fetches |= {LeafKey(name, i): t for i, t in enumerate(_tensor_names(binding))}
        initialize = [tf.group(*_operations(graph, emitter.initializers)).name] if emitter.initializers else []
    graph_def = graph.as_graph_def()
    _alias_identities(graph_def, feeds, fetches, aliases)
    all_leaves = {LeafKey(n, i): leaf for n in wanted for i, leaf in enumerate(leaves_of(types[n]))}
    try:
        canonical = canonical_graph(graph_def, list(feeds.values()), list(fetches.values()), initialize, token.name)
    except CanonicalError as error:
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            f"the graph of the computation has no canonical form: {error}.",
            "Change what the message names in the computation.",
        ) from error
    _check_placeholders(
        canonical.graph_def, [*canonical.feeds, canonical.token], graph_def, [*feeds.values(), token.name]
    )
    used = [(aliases.get(key, key), feed) for key, feed in zip(feeds, canonical.feeds, strict=True) if feed]
    return Segment(
        graph_def=canonical.graph_def,
        inputs=tuple(key for key, _ in used),
        feeds=tuple(feed for _, feed in used),
        outputs=tuple(fetches),
        fetches=canonical.fetches,
        output_types=tuple(all_leaves[key] for key in fetches),
        initialize_op=canonical.operations[0] if initialize else "",
        session_token=canonical.token or "",
    )


def _check_placeholders(
    used: tf.compat.v1.GraphDef, feeds: Iterable[str | None], original: tf.compat.v1.GraphDef, fed: Iterable[str]
) -> None:
    """Checks that a graph has no placeholder without a value. The name is that of the original graph."""
    if not _unfed(used, feeds):
        return
    names = ", ".join(repr(name) for name in _unfed(original, fed))
    raise FedjobsError(
        ErrorCode.UNSUPPORTED_COMPUTATION,
        f"the graph of the computation has placeholders without a value: {names}.",
        "Pass them as arguments of the computation. Call Keras layers that create placeholders inside the computation.",
    )


def _unfed(graph: tf.compat.v1.GraphDef, feeds: Iterable[str | None]) -> list[str]:
    fed = {feed.partition(":")[0] for feed in feeds if feed}
    inner = (node for function in graph.library.function for node in function.node_def)
    found = [node.name for node in inner if node.op in _PLACEHOLDERS]
    return found + [node.name for node in graph.node if node.op in _PLACEHOLDERS and node.name not in fed]


def _operations(graph: tf.Graph, names: Iterable[Value]) -> list[tf.Operation]:
    return [graph.as_graph_element(n) if isinstance(n, str) else n for n in names]


def _tensor_names(binding: Value) -> list[str]:
    kind = binding.WhichOneof("binding")
    if kind == "tensor":
        return [binding.tensor.tensor_name]
    if kind == "sequence":
        return [binding.sequence.variant_tensor_name]
    return [name for element in binding.struct.element for name in _tensor_names(element)]


def _alias_identities(
    graph_def: tf.compat.v1.GraphDef,
    feeds: Mapping[LeafKey, str],
    fetches: dict[LeafKey, str],
    aliases: dict[LeafKey, LeafKey],
) -> None:
    """Removes fetches that are a feed or an identity of a feed, because they need no graph."""
    nodes = {node.name: node for node in graph_def.node}
    by_node = {tensor.partition(":")[0]: key for key, tensor in feeds.items()}
    for key, tensor in list(fetches.items()):
        name = tensor.partition(":")[0]
        while nodes[name].op == "Identity" and len(nodes[name].input) == 1:
            name = nodes[name].input[0].partition(":")[0]
        if name in by_node:
            source = by_node[name]
            aliases[key] = aliases.get(source, source)
            del fetches[key]
