"""Which inputs reach which outputs of a shard, and whether an output can hold values of single records.

This is a static analysis of the graphs, in the manner of an abstract interpreter: it follows each tensor through all
functions, branches and loops, and joins what can come together. It knows for a small set of operations where they leave
the records (`flow_rules`). For all others it assumes the worst. So it warns too often rather than too rarely.

It does not prove that a graph aggregates. A graph can multiply all records but one by zero and then sum them, or sum
over a batch that has one record. This is a sum for the analysis.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier.constants import integers_of
from fedjobs_verifier.dtypes import RESOURCE
from fedjobs_verifier.operations import Argument, known

from fedjobs_worker.consent.graphs.flow_rules import applied
from fedjobs_worker.consent.graphs.flow_values import (
    CHOSEN,
    MIXED,
    ONE,
    Level,
    Value,
    joined,
    mixed_of,
    without_records,
    worst,
)
from fedjobs_worker.consent.graphs.listings import functions_of, leaf_names, shown_name

_LOG = structlog.get_logger()
_STEPS = 100_000  # nodes that are followed; real shards need less than a tenth
_REPEATS = 12  # steps of a loop until what is known about its variables does not change
_SMALL = 16  # elements of a constant that are remembered
_SAME_ELEMENTS = frozenset(
    {
        "AssertCardinalityDataset",
        "IgnoreErrorsDataset",
        "PrefetchDataset",
        "RepeatDataset",
        "ShuffleAndRepeatDataset",
        "ShuffleAndRepeatDatasetV2",
        "ShuffleDataset",
        "ShuffleDatasetV2",
        "ShuffleDatasetV3",
        "FilterDataset",
        "ParallelFilterDataset",
    }
)
_CHOOSING = frozenset(
    {"TakeDataset", "SkipDataset", "ShardDataset", "TakeWhileDataset", "SamplingDataset", "UniqueDataset"}
)
_BATCHES = frozenset({"BatchDataset", "BatchDatasetV2", "ParallelBatchDataset"})
_MAPS = frozenset({"MapDataset", "ParallelMapDatasetV2"})
_FLAT_MAPS = frozenset({"FlatMapDataset", "InterleaveDataset", "ParallelInterleaveDatasetV4"})
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_ANY = "any"
_UNKNOWN = frozenset({_ANY})
"""The resource that stands for all state of operations that the verifier has no signature of."""


Step = Callable[[Sequence[Value]], list[Value]]
"""Returns the variables of a loop after one more step."""


class Holds(enum.StrEnum):
    """What an output can hold of the records of a client."""

    NOTHING = "nothing"
    SUMS = "sums"
    GROUPS = "sums by group"
    RECORDS = "records"


@dataclass(frozen=True)
class OutputFlow:
    """What the analysis found about one value that leaves the silo.

    Attributes:
        name: The name of the output.
        holds: What it can hold of the records of a client.
        added_over_clients: Whether the values of several clients are added. If not, it can be the value of one client.
        sources: The inputs that can influence it.
        through: The operations that aggregated records on the way.
        warnings: What a person should look at, as sentences.
    """

    name: str
    holds: Holds
    added_over_clients: bool
    sources: tuple[str, ...]
    through: tuple[str, ...]
    warnings: tuple[str, ...]


def flows_of(shard: shard_pb2.Shard) -> tuple[OutputFlow, ...]:
    """Returns what reaches each accumulator of a verified shard. Does not raise: what is not known can be anything."""
    try:
        return _Analysis(shard).outputs()
    except _TooLargeError:
        why = f"The graphs have more than {_STEPS} steps. The analysis ended, so the output can hold anything."
    except Exception as error:  # a defect of the analysis must not end the session, and says nothing about the graph
        _LOG.exception("the analysis of a computation failed", error=str(error))
        why = "The analysis of the graphs failed, so the output can hold anything. See the log."
    return tuple(
        OutputFlow(name, Holds.RECORDS, added_over_clients=False, sources=(), through=(), warnings=(why,))
        for name in leaf_names(shard.accumulators)
    )


class _TooLargeError(Exception):
    """The analysis would take too long."""


class _Analysis:
    def __init__(self, shard: shard_pb2.Shard) -> None:
        self._shard = shard
        self._sources: dict[str, int] = {}
        self._through: dict[str, int] = {}
        self._steps = 0
        self._functions: dict[str, pb.Function] = {}
        self._resources: dict[str, Value] = {}
        self._changed = False
        self._known: dict[object, list[Value]] = {}
        self._loops = 0
        self._conditions: list[Value] = []

    def outputs(self) -> tuple[OutputFlow, ...]:
        shard = self._shard
        broadcasts = [self._broadcast(f"broadcast {name}", leaf) for name, leaf in _named(shard.broadcasts)]
        clients = [self._client(f"client input {name}", leaf) for name, leaf in _named(shard.client_inputs)]
        kept = [self._kept(f"kept {name}", leaf) for name, leaf in _named([each.type for each in shard.kept_inputs])]
        for _ in range(_REPEATS):  # a variable or a table can keep what an earlier client put in
            self._changed = False
            zeros = self._program("zero", broadcasts)
            results = self._program("work", [*broadcasts, *clients, *kept])
            results = results[: len(results) - len(shard.kept_outputs)]
            totals = [
                Value(rank=_rank_of(leaf.tensor), sources=zero.sources, carries=("clients", number))
                for number, (leaf, zero) in enumerate(zip(shard.accumulators, zeros, strict=True))
            ]
            ends = self._program("accumulate", [*broadcasts, *totals, *results])
            if not self._changed:
                break
        else:
            raise _TooLargeError
        return tuple(
            self._output(number, name, leaf, end)
            for number, ((name, leaf), end) in enumerate(zip(_named(shard.accumulators), ends, strict=True))
        )

    def _output(self, number: int, name: str, leaf: shard_pb2.Leaf, end: Value) -> OutputFlow:
        added = end.carries == ("clients", number)
        value = end.settled()
        mixed = mixed_of([value])
        found = tuple(Holds)[mixed.level]
        return OutputFlow(
            name=name,
            holds=found,
            added_over_clients=added,
            sources=_words(self._sources, mixed.sources),
            through=_words(self._through, mixed.through),
            warnings=tuple(_warnings(mixed, leaf.tensor, added_over_clients=added)),
        )

    def _source(self, name: str) -> int:
        return self._sources.setdefault(name, 1 << len(self._sources))

    def _bit(self, operation: str) -> int:
        return self._through.setdefault(operation, 1 << len(self._through))

    def _broadcast(self, name: str, leaf: shard_pb2.Leaf) -> Value:
        if leaf.HasField("tensor"):
            return Value(rank=_rank_of(leaf.tensor), sources=self._source(name))
        parts = leaf.sequence.components
        return Value(elements=tuple(Value(rank=_rank_of(p.tensor), sources=self._source(name)) for p in parts))

    def _client(self, name: str, leaf: shard_pb2.Leaf) -> Value:
        """A dataset is of the silo, and each element is a record. Other values come from the coordinator."""
        if leaf.HasField("tensor"):
            return self._broadcast(f"{name} (from the coordinator)", leaf)
        elements = []
        for part in leaf.sequence.components:
            source = self._source(f"{shown_name(part.name)} of {name}" if part.name else name)
            elements.append(Value(Level.RECORDS, ONE, _rank_of(part.tensor), source))
        return Value(elements=tuple(elements))

    def _kept(self, name: str, leaf: shard_pb2.Leaf) -> Value:
        """Whatever an earlier stage kept is a record: what that stage did with the client's data is not known here."""
        if leaf.HasField("tensor"):
            return Value(Level.RECORDS, ONE, _rank_of(leaf.tensor), self._source(name))
        return self._client(name, leaf)

    def _program(self, name: str, inputs: list[Value]) -> list[Value]:
        program: shard_pb2.Program = getattr(self._shard, name)
        values = list(inputs)
        for number, segment in enumerate(program.segments):
            graph = pb.Graph.FromString(segment.graph_def)
            self._functions = dict(functions_of(graph))
            self._known = {}
            given = [values[position] for position in segment.inputs]
            feeds = {feed.partition(":")[0]: value for feed, value in zip(segment.feeds, given, strict=False)}
            found = self._nodes(graph.node, feeds, f"{name}/{number}", inside=False)
            values += [_tensor(found, fetch, graph.node, inside=False) for fetch in segment.fetches]
        return [values[position] for position in program.outputs]

    def _nodes(
        self, nodes: Sequence[pb.Node], given: dict[str, Value], place: str, *, inside: bool
    ) -> dict[str, list[Value]]:
        found = {name: [value] for name, value in given.items()}
        by_name = {node.name: node for node in nodes}
        for node in nodes:
            self._steps += 1
            if self._steps > _STEPS:
                raise _TooLargeError
            if node.name not in found:
                inputs = [
                    _tensor(found, text, by_name, inside=inside) for text in node.input if not text.startswith("^")
                ]
                found[node.name] = self._node(node, inputs, f"{place}/{node.name}")
        return found

    def _call(self, name: str, arguments: Sequence[Value]) -> list[Value]:
        function = self._functions.get(name)
        if function is None:
            return [worst(arguments, name)]
        key = (name, tuple(arguments), self._loops > 0, tuple(self._conditions))
        if key not in self._known:
            given = {
                argument.name: value for argument, value in zip(function.signature.input_arg, arguments, strict=False)
            }
            found = self._nodes(function.node_def, given, name, inside=True)
            by_name = {node.name: node for node in function.node_def}
            self._known[key] = [
                _tensor(found, function.ret[output.name], by_name, inside=True)
                for output in function.signature.output_arg
            ]
        return self._known[key]

    def _node(self, node: pb.Node, inputs: list[Value], place: str) -> list[Value]:  # noqa: C901 (a list of cases)
        op = node.op
        if op == "Const":
            return [_constant(node.attr["value"].tensor)]
        if op == "IdentityN":
            return inputs
        if op in _CALLS:
            return self._call(node.attr["f"].func.name, inputs)
        if op in _BRANCHES:
            return self._branched(node, inputs)
        if op in _LOOPS:
            return self._looped(node, inputs, place)
        if "Dataset" in op and op != "InitializeTableFromDataset":
            return self._dataset(node, inputs, place)
        operation = known().get(op)
        if operation is None:  # the silo's file allows it. It can keep anything, and give it to others like it
            self._store(_UNKNOWN, [worst(inputs, op)])
            return [replace(worst([*inputs, self._resources[_ANY]], op), handle=_UNKNOWN)]
        if op not in ("Identity",) and any(output.dtype == RESOURCE for output in operation.outputs):
            shared = node.attr["shared_name"].s.decode("latin-1") if "shared_name" in node.attr else ""
            return [Value(handle=frozenset({f"{op} {shared or place}"}))]
        if op == "OptionalFromValue":
            return [Value(elements=tuple(inputs))]
        if op == "OptionalGetValue":
            elements = inputs[0].elements
            return list(elements) if elements is not None else [worst(inputs, op)]
        if any(value.handle for value in inputs):
            return self._with_resource(node, inputs)
        return applied(node, inputs, self._bit)

    def _branched(self, node: pb.Node, inputs: list[Value]) -> list[Value]:
        condition, arguments = inputs[0].settled(), inputs[1:]
        if node.op in ("Case", "StatelessCase"):
            names = [branch.name for branch in node.attr["branches"].list.func]
        else:
            names = [node.attr[key].func.name for key in ("then_branch", "else_branch")]
        self._conditions.append(condition)
        results = [self._call(name, arguments) for name in names]
        self._conditions.pop()
        ends = [joined(values) for values in zip(*results, strict=False)]
        return [_influenced(end, condition) for end in ends]

    def _looped(self, node: pb.Node, inputs: list[Value], place: str) -> list[Value]:
        condition, body = node.attr["cond"].func.name, node.attr["body"].func.name

        def step(state: Sequence[Value]) -> list[Value]:
            return self._call(body, state)

        ends = self._repeated(step, inputs, place, node.op)
        said = mixed_of(self._call(condition, [value.settled() for value in ends]))
        return [_influenced(end, said) for end in ends]

    def _repeated(self, step: Step, start: Sequence[Value], place: str, op: str) -> list[Value]:
        """Follows a loop until what is known about its variables does not change."""
        states = [
            value
            if value.handle or value.elements is not None
            else replace(value.settled(), carries=(place, number), added=Level.NONE, added_axis=ONE, constant=None)
            for number, value in enumerate(start)
        ]
        sums = [Value() for _ in start]
        bit = self._bit(op)
        self._loops += 1
        for _ in range(_REPEATS):
            ends = step(states)
            after, totals = [], []
            for number, (state, end) in enumerate(zip(states, ends, strict=False)):
                if end.carries == (place, number):
                    total = Value(
                        end.added,
                        end.added_axis,
                        sources=end.sources,
                        through=end.through,
                        path=end.path,
                        lost=end.lost,
                    )
                    totals.append(joined([sums[number], total.summed(bit)]))
                    base = replace(end, added=Level.NONE, added_axis=ONE)
                    after.append(joined([state, base]))
                else:
                    totals.append(sums[number])
                    ended = end.settled()
                    kept = ended if ended.handle or ended.elements is not None else _as_state(state, ended)
                    after.append(kept if kept.handle or kept.elements is not None else joined([state, kept]))
            if after == states and totals == sums:
                break
            states, sums = after, totals
        else:
            states = [
                replace(worst(states, op), level=Level.RECORDS, axis=MIXED, handle=state.handle) for state in states
            ]
        self._loops -= 1
        return [_outside(state, total) for state, total in zip(states, sums, strict=True)]

    def _dataset(self, node: pb.Node, inputs: list[Value], place: str) -> list[Value]:  # noqa: C901 (a list of cases)
        op = node.op
        if op == "ReduceDataset":
            return self._reduced(node, inputs, place)
        if op == "DatasetCardinality":
            return [without_records(inputs, 0)]
        elements = inputs[0].elements if inputs else None
        others = mixed_of(inputs[1:])
        if op == "DatasetToSingleElement" and elements is not None:
            return [_chosen(element, op) for element in elements]
        if op == "TensorDataset":
            return [Value(elements=tuple(value.settled() for value in inputs))]
        if op == "RangeDataset":
            return [Value(elements=(without_records(inputs, 0),))]
        if op == "ZipDataset" and all(value.elements is not None for value in inputs):
            return [Value(elements=tuple(e for value in inputs for e in value.elements or ()))]
        if op == "ConcatenateDataset":
            return [joined(inputs)]
        if elements is None:
            return [replace(worst(inputs, op), elements=None)]
        if op in _SAME_ELEMENTS:
            arguments = others if "Filter" not in op else mixed_of([others, *self._predicate(node, inputs)])
            return [Value(elements=tuple(_influenced(e, arguments, implicit=False) for e in elements))]
        if op in _CHOOSING:
            return [Value(elements=tuple(_chosen(element, op) for element in elements))]
        if op in _BATCHES:
            return [Value(elements=tuple(_batched(element, inputs[1].constant) for element in elements))]
        if op in _MAPS:
            ends = self._call(node.attr["f"].func.name, [*elements, *self._captured(node, inputs)])
            return [Value(elements=tuple(end if end.elements is not None else end.settled() for end in ends))]
        if op in _FLAT_MAPS:
            found = self._call(node.attr["f"].func.name, [*elements, *self._captured(node, inputs)])
            return [found[0] if found and found[0].elements is not None else worst([*inputs, *found], op)]
        return [worst(inputs, op)]

    def _captured(self, node: pb.Node, inputs: list[Value]) -> list[Value]:
        return inputs[1 : 1 + len(node.attr["Targuments"].list.type)]

    def _predicate(self, node: pb.Node, inputs: list[Value]) -> list[Value]:
        return self._call(
            node.attr["predicate"].func.name, [*(inputs[0].elements or ()), *self._captured(node, inputs)]
        )

    def _reduced(self, node: pb.Node, inputs: list[Value], place: str) -> list[Value]:
        count = len(node.attr["Tstate"].list.type)
        elements, start, captured = inputs[0].elements, inputs[1 : 1 + count], inputs[1 + count :]
        if elements is None:
            return [worst(inputs, node.op)]

        def step(state: Sequence[Value]) -> list[Value]:
            return self._call(node.attr["f"].func.name, [*state, *elements, *captured])

        ends = self._repeated(step, start, place, node.op)
        if mixed_of(inputs[:1]).level is Level.NONE:
            return ends
        # How often the function ran depends on the data, even if it looks at none of them.
        counted = Value(Level.SUMS, sources=self._source("number of records"))
        return [_influenced(end, counted) for end in ends]

    def _with_resource(self, node: pb.Node, inputs: list[Value]) -> list[Value]:
        """An operation on a variable, an iterator or a table. What goes in can come out of each later read."""
        op = node.op
        handles = frozenset(name for value in inputs for name in value.handle)
        given = [value for value in inputs if not value.handle]
        if op == "Identity":
            return inputs
        if op == "MakeIterator":
            self._store(handles, [given[0]])
            return []
        stored = joined([self._resources[name] for name in sorted(handles) if name in self._resources])
        if op == "IteratorGetNextAsOptional":
            return [stored]
        if op in ("IteratorGetNext", "IteratorGetNextSync"):
            return list(stored.elements) if stored.elements is not None else [worst([stored], op)]
        if op == "AssignVariableOp":
            self._store(handles, [value.settled() for value in given])
            return []
        if op in ("AssignAddVariableOp", "AssignSubVariableOp"):
            looped = self._loops > 0
            self._store(handles, [v.settled().summed(self._bit(op)) if looped else v.settled() for v in given])
            return []
        if op in ("ReadVariableOp", "LookupTableExportV2"):
            return [stored]
        if given:
            self._store(handles, [worst(given, op)])
        return [worst([stored, *given], op)]

    def _store(self, handles: frozenset[str], values: Sequence[Value]) -> None:
        for name in handles:
            before = self._resources.get(name)
            given = [_influenced_by_all(value, self._conditions) for value in values]
            after = joined([*([before] if before else []), *given])
            if after != before:
                self._resources[name] = after
                self._changed = True
                self._known = {}  # what was known about functions may depend on it


def _as_state(state: Value, end: Value) -> Value:
    """Returns the end of a step as the value of the loop's variable, which the next step can add to."""
    return replace(end, carries=state.carries, added=Level.NONE, added_axis=ONE, constant=None)


def _outside(state: Value, total: Value) -> Value:
    """Returns a variable of a loop after the loop, with what was added to it."""
    if state.handle or state.elements is not None:
        return state
    base = replace(state, carries=None)
    if total.level is Level.NONE and not total.sources:
        return base
    end = joined([replace(base, added=Level.NONE), total])
    return replace(end, rank=state.rank)


def _influenced(value: Value, condition: Value, *, implicit: bool = True) -> Value:
    """Returns a value that exists only because of a condition. Which branch was taken can reveal the condition."""
    if value.elements is not None:
        return replace(value, elements=tuple(_influenced(e, condition, implicit=implicit) for e in value.elements))
    if value.handle:
        return value
    said = condition.settled()
    sources, through = value.sources | said.sources, value.through | said.through
    if not implicit or (said.level <= value.level and said.level is not Level.RECORDS):
        return replace(value, sources=sources, through=through)
    if said.level is not Level.RECORDS:
        return replace(value, level=said.level, sources=sources, through=through)
    axis = MIXED if said.axis >= 0 else CHOSEN
    told = said.moved(axis, None, "a condition")
    return replace(
        value.settled(),
        level=Level.RECORDS,
        axis=axis,
        sources=sources,
        through=through,
        path=told.path,
        lost=True,
    )


def _influenced_by_all(value: Value, conditions: Sequence[Value]) -> Value:
    for condition in conditions:
        value = _influenced(value, condition)
    return value


def _chosen(element: Value, op: str) -> Value:
    found = element.settled()
    return found.moved(CHOSEN, found.rank, op) if found.level is Level.RECORDS else found


def _batched(element: Value, size: object) -> Value:
    """A batch has the records in its first dimension. A batch of one record is one record."""
    found = element.settled()
    rank = None if found.rank is None else found.rank + 1
    if found.level is not Level.RECORDS:
        return replace(found, rank=rank)
    if found.axis != ONE:
        return found.moved(MIXED, rank, "BatchDataset")
    return replace(found, axis=ONE if size == (1,) else 0, rank=rank)


def _constant(tensor: pb.Tensor) -> Value:
    rank = len(tensor.tensor_shape.dim)
    return Value(rank=rank, constant=integers_of(tensor, _SMALL) if rank <= 1 else None)


def _tensor(found: dict[str, list[Value]], text: str, nodes: object, *, inside: bool) -> Value:
    """Returns the value of the tensor with this name."""
    name, *rest = text.split(":")
    values = found[name]
    if len(values) <= 1:
        return values[0] if values else Value()
    number = int(rest[-1]) if rest else 0
    if inside and len(rest) == 2:
        by_name = nodes if isinstance(nodes, dict) else {}
        number += _offset(by_name[name], rest[0])
    return values[number] if number < len(values) else joined(values)


def _offset(node: pb.Node, output: str) -> int:
    """Returns how many tensors come before an output of a node."""
    operation = known().get(node.op)
    before = 0
    for argument in operation.outputs if operation else ():
        if argument.name == output:
            break
        before += _width(argument, node)
    return before


def _width(argument: Argument, node: pb.Node) -> int:
    if argument.list_attribute:
        return len(node.attr[argument.list_attribute].list.type)
    return node.attr[argument.number_attribute].i if argument.number_attribute else 1


def _rank_of(tensor: shard_pb2.Tensor) -> int | None:
    return None if tensor.unknown_rank else len(tensor.shape)


def _named(leaves: Sequence[shard_pb2.Leaf]) -> list[tuple[str, shard_pb2.Leaf]]:
    return list(zip(leaf_names(leaves), leaves, strict=True))


def _words(bits: dict[str, int], found: int) -> tuple[str, ...]:
    return tuple(word for word, bit in bits.items() if found & bit)


def _warnings(value: Value, tensor: shard_pb2.Tensor, *, added_over_clients: bool) -> list[str]:
    if value.level is Level.NONE:
        return []
    said = []
    if value.level is Level.RECORDS:
        if value.lost:
            why = f"after {', '.join(value.path)}, the analysis does not know where the records are"
        else:
            why = "no operation on the way sums over them"
        said.append(f"It can hold values of single records: {why}.")
    elif value.level is Level.GROUPS:
        said.append("It holds sums by groups of records that the data choose. A group can have a single record.")
    if not added_over_clients:
        said.append("The values of several clients are not added, so it can hold the value of one client.")
    if tensor.dtype == "string":
        said.append("It is text, which can contain anything of the data.")
    if tensor.unknown_rank or any(size < 0 for size in tensor.shape):
        said.append("Its size is not fixed. It can grow with the number of records or clients.")
    return said
