"""Verifies a shard: its programs fit together, and each graph is rebuilt from what is understood."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from fedjobs_protocol.v1 import shard_pb2
from fedjobs_protocol.versions import require_shard_format
from google.protobuf.message import DecodeError

from fedjobs_verifier import graph_pb2, limits
from fedjobs_verifier.contents import Contents, Type
from fedjobs_verifier.nodes import OPERATION_NAME, Counted
from fedjobs_verifier.program_order import Uses, label_of
from fedjobs_verifier.refusals import OperationRefusal, OperationRefusedError, Refusal, shown, within
from fedjobs_verifier.segments import check_type, rebuild_graph, type_of
from fedjobs_verifier.unknown_fields import first_unknown

_DIGEST_BYTES = 32
_PLANNED = "Plan the computation with this release of fedjobs."


@dataclass(frozen=True)
class Verified:
    """A shard that the verifier understood.

    Attributes:
        serialized: The shard that was rebuilt. It has the bytes of the one that came.
        message: The same, parsed.
        operations: All operations of its graphs, those of functions too.
    """

    serialized: bytes
    message: shard_pb2.Shard
    operations: frozenset[str]


def verify(serialized: bytes, allow: Collection[str] = ()) -> Verified:
    """Reads a shard and builds it again from what was understood.

    Args:
        serialized: The shard that came.
        allow: Operations that are allowed in addition to the allow-list. Of these the verifier knows no signature. It
            checks of their attributes what holds for all: functions are of the same graph, no name begins with `_`,
            constants are plain data, and everything is bounded.

    Raises:
        FedjobsError: SHARD_REFUSED with place and remedy, as an OperationRefusedError if an operation is not allowed.
            VERSION_MISMATCH for an unsupported format.
    """
    refused: Refusal
    try:
        return _rebuilt(serialized, allow)
    except Refusal as refusal:
        refused = refusal.with_traceback(None)  # which would keep the graph in memory while it is read again
    if not isinstance(refused, OperationRefusal):
        raise refused.error()
    source = _parsed(serialized)
    raise OperationRefusedError(refused, source, _operations(source))


def _rebuilt(serialized: bytes, allow: Collection[str]) -> Verified:
    source = _parsed(serialized)
    counted = Counted()
    target = shard_pb2.Shard(format=source.format)
    _Programs(source, target, allow, counted).rebuild()
    rebuilt = target.SerializeToString(deterministic=True)
    if rebuilt != serialized:
        unknown = first_unknown(source, "shard")
        raise Refusal(f"a field is unknown, in {unknown}" if unknown else "it is not serialized canonically", _PLANNED)
    return Verified(rebuilt, target, frozenset(counted.operations))


def verify_for_some_silo(serialized: bytes) -> Verified:
    """Verifies a shard as a silo does whose file allows all of its operations.

    Planning and explaining a computation use it. A silo's own file says which operations the silo allows.

    Raises:
        FedjobsError: See `verify`.
    """
    try:
        return verify(serialized)
    except OperationRefusedError as error:
        return verify(serialized, error.operations)


def _operations(shard: shard_pb2.Shard) -> frozenset[str]:
    """Returns the operations of a shard that is not verified: all of them, unless it has more nodes than it may."""
    found: set[str] = set()
    nodes = islice(_all_nodes(shard), limits.NODES)
    with suppress(DecodeError):
        found.update(node.op for node in nodes)
    return frozenset(filter(OPERATION_NAME.fullmatch, found))


def _all_nodes(shard: shard_pb2.Shard) -> Iterator[graph_pb2.Node]:
    for program in (shard.zero, shard.work, shard.accumulate):
        for segment in program.segments:
            graph = graph_pb2.Graph.FromString(segment.graph_def)
            yield from graph.node
            for function in islice(graph.library.function, limits.FUNCTIONS):
                yield from function.node_def


def _parsed(serialized: bytes) -> shard_pb2.Shard:
    if len(serialized) > limits.BYTES:
        raise Refusal(f"it has {len(serialized)} bytes", f"Use at most {limits.BYTES}.")
    try:
        source = shard_pb2.Shard.FromString(serialized)
    except DecodeError:
        raise Refusal("the bytes received are not a shard", _PLANNED) from None
    require_shard_format(source.format)
    return source


class _Programs:
    def __init__(
        self, source: shard_pb2.Shard, target: shard_pb2.Shard, allow: Collection[str], counted: Counted
    ) -> None:
        self._source, self._target = source, target
        self._allow = frozenset(name for name in allow if OPERATION_NAME.fullmatch(name))
        self._counted = counted

    def rebuild(self) -> None:
        shard = self._source
        for name in ("broadcasts", "client_inputs", "accumulators", "kept_outputs"):
            with within(name):
                _rebuild_leaves(getattr(shard, name), getattr(self._target, name), columns=name == "client_inputs")
        with within("kept_inputs"):
            _rebuild_kept_inputs(shard.kept_inputs, self._target.kept_inputs)
        broadcasts, clients, kept, accumulators = (
            [type_of(leaf, self._counted.contents) for leaf in leaves]
            for leaves in (
                shard.broadcasts,
                shard.client_inputs,
                [kept.type for kept in shard.kept_inputs],
                shard.accumulators,
            )
        )
        self._check(self._program("zero", broadcasts), shard.accumulators, "zero")
        outputs = self._program("work", [*broadcasts, *clients, *kept])
        aggregands = self._without_kept(outputs)
        totals = self._program("accumulate", [*broadcasts, *accumulators, *aggregands])
        self._check(totals, shard.accumulators, "accumulate")

    def _without_kept(self, outputs: list[Type]) -> list[Type]:
        """Checks the last outputs of `work`, which the silo keeps. Returns the others."""
        kept = self._source.kept_outputs
        count = len(outputs) - len(kept)
        with within("program work"):
            if count < 0:
                raise Refusal(f"it has {len(outputs)} outputs, and the silo is to keep {len(kept)}", _PLANNED)
            for number, (type_, leaf) in enumerate(zip(outputs[count:], kept, strict=True), count):
                check_type(f"output {number}", type_, type_of(leaf, self._counted.contents))
        return outputs[:count]

    def _check(self, types: Sequence[Type], leaves: Sequence[shard_pb2.Leaf], program: str) -> None:
        with within(f"program {program}"):
            if len(types) != len(leaves):
                raise Refusal(f"it has {len(types)} outputs for {len(leaves)} accumulators", _PLANNED)
            for number, (type_, leaf) in enumerate(zip(types, leaves, strict=True)):
                check_type(f"output {number}", type_, type_of(leaf, self._counted.contents))

    def _program(self, name: str, inputs: Sequence[Type]) -> list[Type]:
        """Copies a program. Returns the types of its outputs."""
        source, target = getattr(self._source, name), getattr(self._target, name)
        with within(f"program {name}"):
            target.SetInParent()
            if source.inputs != len(inputs):
                raise Refusal(f"it has {source.inputs} inputs instead of {len(inputs)}", _PLANNED)
            if len(source.segments) > limits.SEGMENTS:
                raise Refusal(f"it has {len(source.segments)} segments", f"Use at most {limits.SEGMENTS}.")
            target.inputs = source.inputs
            if len(source.outputs) > limits.LEAVES:
                raise Refusal(f"it has {len(source.outputs)} outputs", f"Use at most {limits.LEAVES}.")
            values = list(inputs)
            for number, segment in enumerate(source.segments):
                with within(f"segment {number}"):
                    values += self._segment(segment, target.segments.add(), values, len(inputs))
            outputs = [_value(values, number) for number in source.outputs]
            _check_order(source)
            target.outputs.extend(source.outputs)
            return outputs

    def _segment(
        self, source: shard_pb2.Segment, target: shard_pb2.Segment, values: Sequence[Type], inputs: int
    ) -> list[Type]:
        _rebuild_leaves(source.output_types, target.output_types, columns=False)
        given = [_value(values, number) for number in source.inputs]
        if len(set(source.inputs)) < len(source.inputs):
            raise Refusal("two of its feeds get the same value", _PLANNED)
        labels = [label_of(number, inputs) for number in source.inputs]
        target.graph_def = rebuild_graph(source, given, labels, self._allow, self._counted)
        target.inputs.extend(source.inputs)
        target.feeds.extend(source.feeds)
        target.fetches.extend(source.fetches)
        target.initialize_op = source.initialize_op
        target.session_token_tensor = source.session_token_tensor
        return [type_of(leaf, self._counted.contents) for leaf in source.output_types]


def _value(values: Sequence[Type], number: int) -> Type:
    if number >= len(values):
        raise Refusal(f"there is no value {number} yet", _PLANNED)
    return values[number]


def _check_order(program: shard_pb2.Program) -> None:
    """Checks that each segment and each of its values is used, and that they are in the canonical order."""
    segments = program.segments
    uses = Uses(program.inputs, [(segment.inputs, len(segment.fetches)) for segment in segments], program.outputs)
    after = program.inputs + sum(len(segment.fetches) for segment in segments)
    for number in reversed(range(len(segments))):
        last = uses.last()
        if last != number:
            what = "nothing uses its values" if last is None else f"segment {last} comes after it"
            raise Refusal(what, _PLANNED).at(f"segment {number}")
        first = after - len(segments[number].fetches)
        if uses.take(number, segments[number].inputs) != list(range(first, after)):
            what = "its fetches are not all used, or not in the order in which they are used"
            raise Refusal(what, _PLANNED).at(f"segment {number}")
        after = first


def _rebuild_kept_inputs(source: Sequence[shard_pb2.KeptInput], target: object) -> None:
    if len(source) > limits.LEAVES:
        raise Refusal(f"it has {len(source)} leaves", f"Use at most {limits.LEAVES}.")
    for number, kept in enumerate(source):
        with within(f"leaf {number}"):
            if len(kept.shard) != _DIGEST_BYTES or kept.output >= limits.LEAVES:
                raise Refusal("it does not name the shard that keeps it", _PLANNED)
            rebuilt = target.add(shard=kept.shard, output=kept.output)  # type: ignore[attr-defined]
            _rebuild_leaf(kept.type, rebuilt.type, columns=False)


def _rebuild_leaves(source: Sequence[shard_pb2.Leaf], target: object, *, columns: bool) -> None:
    """Copies leaves. Only columns have names, by which the silo's data are found."""
    if len(source) > limits.LEAVES:
        raise Refusal(f"it has {len(source)} leaves", f"Use at most {limits.LEAVES}.")
    for number, leaf in enumerate(source):
        with within(f"leaf {number}"):
            _rebuild_leaf(leaf, target.add(), columns=columns)  # type: ignore[attr-defined]


def _rebuild_leaf(leaf: shard_pb2.Leaf, rebuilt: shard_pb2.Leaf, *, columns: bool) -> None:
    _check_unnamed(leaf.name)
    kind = leaf.WhichOneof("type")
    if kind is None:
        raise Refusal("it has no type", _PLANNED)
    if kind == "tensor":
        _rebuild_type(leaf.tensor, rebuilt.tensor)
        return
    rebuilt.sequence.SetInParent()
    if len(leaf.sequence.components) > limits.COMPONENTS:
        count = len(leaf.sequence.components)
        raise Refusal(f"its examples have {count} components", f"Use at most {limits.COMPONENTS}.")
    for component in leaf.sequence.components:
        if not columns:
            _check_unnamed(component.name)
        part = rebuilt.sequence.components.add(name=_name(component.name))
        part.tensor.SetInParent()
        _rebuild_type(component.tensor, part.tensor)


def _rebuild_type(source: shard_pb2.Tensor, target: shard_pb2.Tensor) -> None:
    type_of(shard_pb2.Leaf(tensor=source), Contents())
    _check_sizes(source.shape, unknown_rank=source.unknown_rank)
    target.dtype = source.dtype
    target.shape.extend(source.shape)
    target.unknown_rank = source.unknown_rank


def _check_sizes(shape: Sequence[int], *, unknown_rank: bool) -> None:
    if len(shape) > limits.RANK:
        raise Refusal(f"its shape has {len(shape)} dimensions", f"Use at most {limits.RANK}.")
    if (unknown_rank and shape) or any(not -1 <= size <= limits.ELEMENTS for size in shape):
        raise Refusal(f"its shape is {shown(list(shape))}", "Use dimensions of -1 or more, and none without a rank.")


def _name(name: str) -> str:
    if len(name) > limits.NAME:
        raise Refusal(f"a name has {len(name)} characters", f"Use at most {limits.NAME}.")
    return name


def _check_unnamed(name: str) -> None:
    if name:
        raise Refusal(f"it has the name {shown(name)}, and only columns of client inputs have names", _PLANNED)
