"""The graphs of a shard as text: one line for each node, by program and by function."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedjobs_common import untrusted_text
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier.constants import elements_of
from fedjobs_verifier.dtypes import NAMES, STRING

PROGRAMS = {"zero": "initialise", "work": "work on one client", "accumulate": "accumulate over the clients"}
"""The programs of a shard, with a title for people."""
MOST_LINES = 20_000
"""Lines of graphs that are kept for a computation that waits. The largest shard of the tests has 2,000."""
_PLAIN_NAME = re.compile(r"[\w./\-]{1,100}")
_LONGEST = 400  # characters of a line
_FEW = 8  # elements of a constant, or entries of a list, that are shown
_TEXT = 40  # characters of a string that are shown
_SILENT = frozenset(
    {
        "T", "Tin", "Tout", "Toutput_types", "Tstate", "Targuments", "Tidx", "Tparams", "Tindices", "Tshape", "Taxis",
        "Tlabels", "Tcond", "Tperm", "Tmultiples", "Tdim", "Index", "N", "dtype", "value", "config", "config_proto",
        "executor_type", "container", "metadata", "output_shapes", "output_types", "use_inter_op_parallelism",
        "preserve_cardinality", "parallel_iterations", "parallel_copy", "use_default_device", "_output_shapes",
        "incompatible_shape_error", "data_format", "validate_shape", "out_type", "Truncate", "grad_a", "grad_b",
    }
)  # fmt: skip
"""Attributes that say little about what a graph computes."""


@dataclass(frozen=True)
class Body:
    """The nodes of a graph, or of a function.

    Attributes:
        title: What they are part of.
        name: The name of the function, or empty.
        inputs: The names of the inputs, with what they are.
        lines: One line for each node, or for several equal ones.
        results: What comes out.
    """

    title: str
    name: str
    inputs: Sequence[str]
    lines: Sequence[str]
    results: Sequence[str]


def listed(shard: shard_pb2.Shard) -> list[str]:
    """Returns the graphs of a verified shard as lines. A function that several graphs contain is listed once."""
    lines = []
    for body in bodies(shard):
        lines.append(body.title)
        lines += [f"  in:  {text}" for text in body.inputs]
        lines += [f"  {line}" for line in body.lines]
        lines += [f"  out: {text}" for text in body.results]
    return [printable(line) for line in lines]


def shortened(lines: Sequence[str], most: int) -> tuple[str, ...]:
    """Returns the first lines. If some are left out, the last line says how many, and how to see them."""
    if len(lines) <= most:
        return tuple(lines)
    return *lines[:most], f"... {len(lines) - most} of {len(lines)} lines are not shown. Show all with --whole-graph."


def printable(line: str) -> str:
    """Returns a line without characters that control a terminal. The author of a shard chooses the names in it."""
    return untrusted_text.printable(line, _LONGEST)


def bodies(shard: shard_pb2.Shard) -> Iterator[Body]:
    """Yields the graphs of the programs, each followed by its functions that were not yielded yet."""
    seen: set[str] = set()
    for program, title in PROGRAMS.items():
        message: shard_pb2.Program = getattr(shard, program)
        names = value_names(shard, program)
        for number, segment in enumerate(message.segments):
            graph = pb.Graph.FromString(segment.graph_def)
            part = f", part {number + 1} of {len(message.segments)}" if len(message.segments) > 1 else ""
            fed = {
                feed.partition(":")[0]: names[value] for feed, value in zip(segment.feeds, segment.inputs, strict=False)
            }
            first = len(names)
            names += [f"value {first + i}" for i in range(len(segment.fetches))]
            outputs = outputs_of(shard, program)
            results = []
            for i, fetch in enumerate(segment.fetches):
                ends = [
                    outputs[j] for j, value in enumerate(message.outputs) if value == first + i and j < len(outputs)
                ]
                results.append((" and ".join(ends) or names[first + i], fetch.removesuffix(":0")))
            inputs = [f"{name} = {what}" for name, what in fed.items()]
            texts = _Texts(graph.node)
            yield Body(f"program {program} ({title}{part})", "", inputs, texts.lines(set(fed)), texts.results(results))
            for function in graph.library.function:
                name = function.signature.name
                if name not in seen:
                    seen.add(name)
                    yield _function(function)


def value_names(shard: shard_pb2.Shard, program: str) -> list[str]:
    """Returns what the inputs of a program are, in their order."""
    broadcasts = [f"broadcast {name}" for name in leaf_names(shard.broadcasts)]
    if program == "zero":
        return broadcasts
    if program == "work":
        inputs = [f"client input {name}" for name in leaf_names(shard.client_inputs)]
        kept = leaf_names([each.type for each in shard.kept_inputs])
        return [*broadcasts, *inputs, *(f"kept {name}" for name in kept)]
    totals = [f"total {name}" for name in leaf_names(shard.accumulators)]
    results = len(shard.work.outputs) - len(shard.kept_outputs)
    return [*broadcasts, *totals, *(f"result {number} of work" for number in range(results))]


def outputs_of(shard: shard_pb2.Shard, program: str) -> list[str]:
    """Returns what the outputs of a program are, in their order."""
    if program == "work":
        results = len(shard.work.outputs) - len(shard.kept_outputs)
        kept = (f"kept {name}" for name in leaf_names(shard.kept_outputs))
        return [*(f"result {number} of work" for number in range(results)), *kept]
    return [f"total {name}" for name in leaf_names(shard.accumulators)]


def leaf_names(leaves: Sequence[shard_pb2.Leaf]) -> list[str]:
    """Returns the names of leaves for people. A leaf without a name gets its number."""
    return [shown_name(leaf.name) or f"value {number}" for number, leaf in enumerate(leaves)]


def shown_name(name: str) -> str:
    """Returns a name for people. One that could be read as a sentence is quoted, because its author chose it."""
    return name if not name or _PLAIN_NAME.fullmatch(name) else repr(name)


def short(function: str) -> str:
    """Returns the short form of a function's name, which is a digest."""
    return function[:10] if function.startswith("f_") else function


def _function(function: pb.Function) -> Body:
    signature = function.signature
    inputs = [f"{argument.name}: {NAMES.get(argument.type, '?')}" for argument in signature.input_arg]
    results = [(argument.name, function.ret[argument.name]) for argument in signature.output_arg]
    texts = _Texts(function.node_def)
    return Body(
        f"function {short(signature.name)}",
        signature.name,
        [", ".join(inputs)] if inputs else [],
        texts.lines(set()),
        texts.results(results),
    )


class _Texts:
    """The nodes of a graph as text. A copy (Identity) and a constant of one number are written where they are used.

    Args:
        nodes: The nodes, each after its inputs.
    """

    def __init__(self, nodes: Sequence[pb.Node]) -> None:
        self._nodes = nodes
        self._instead: dict[str, str] = {}
        for node in nodes:
            if node.op == "Identity":
                self._instead[node.name] = self._named(node.input[0])
            elif node.op == "Const" and not node.attr["value"].tensor.tensor_shape.dim:
                text = constant_text(node.attr["value"].tensor)
                if len(text) <= _TEXT:
                    self._instead[node.name] = text

    def lines(self, fed: set[str]) -> list[str]:
        """Returns a line for each node but inputs. Neighbours that differ in their name only share a line."""
        lines: list[str] = []
        first, before, count = "", "", 0
        for node in self._nodes:
            if node.name in fed or node.name in self._instead:
                continue
            text = self._text(node)
            if text == before:
                count += 1
                lines[-1] = f"{first} to {node.name} = {text}  ({count} nodes)"
                continue
            first, before, count = node.name, text, 1
            lines.append(f"{node.name} = {text}")
        return lines

    def results(self, results: Sequence[tuple[str, str]]) -> list[str]:
        """Returns what comes out. Equal results share a line."""
        names: dict[str, list[str]] = {}
        for name, tensor in results:
            names.setdefault(self._named(tensor), []).append(name)
        return [f"{' and '.join(ends)} = {tensor}" for tensor, ends in names.items()]

    def _text(self, node: pb.Node) -> str:
        if node.op == "Const":
            return f"Const {constant_text(node.attr['value'].tensor)}"
        data = [self._named(text) for text in node.input if not text.startswith("^")]
        after = [name for text in node.input if text.startswith("^") and (name := text[1:]) not in self._instead]
        said = [
            f"{key}={text}" for key in sorted(node.attr) if key not in _SILENT and (text := _attribute(node.attr[key]))
        ]
        if node.op == "Cast":
            said = [f"to {NAMES.get(node.attr['DstT'].type, '?')}"]
        return f"{node.op}({', '.join([*data, *said])})" + (f" after {', '.join(after)}" if after else "")

    def _named(self, text: str) -> str:
        """Returns the name of a tensor, or what is written instead of it."""
        return self._instead.get(text.partition(":")[0]) or _tensor_name(text)


def constant_text(tensor: pb.Tensor) -> str:
    """Returns a constant: all values if they are few, or the first ones."""
    sizes = [dimension.size for dimension in tensor.tensor_shape.dim]
    kind = NAMES.get(tensor.dtype, "?") + (f"[{', '.join(map(str, sizes))}]" if sizes else "")
    if math.prod(sizes) == 0:
        return f"{kind} (no elements)"
    once = not tensor.tensor_content and tensor.dtype != STRING  # equal elements
    listed = ", ".join(map(_value, elements_of(tensor, 1 if once else _FEW)))
    size = f" of {len(tensor.tensor_content)} bytes:" if tensor.tensor_content else ""
    return f"{kind}{size} {listed}{', ...' if not once and math.prod(sizes) > _FEW else ''}"


def _value(value: object) -> str:
    if isinstance(value, bytes):
        text = value[:_TEXT].decode("utf-8", "replace")
        return repr(text) + ("..." if len(value) > _TEXT else "")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _attribute(value: pb.Attribute) -> str:
    kind = value.WhichOneof("value")
    if kind == "func":
        return short(value.func.name)
    if kind == "list":
        functions = [short(each.name) for each in value.list.func]
        entries = functions or [*map(str, value.list.i), *map(_value, value.list.s), *map(str, value.list.b)]
        return f"[{', '.join(entries[:_FEW])}{', ...' if len(entries) > _FEW else ''}]" if entries else ""
    if kind == "b":
        return "true" if value.b else ""
    if kind == "i":
        return str(value.i) if value.i else ""
    if kind == "f":
        return _value(value.f)
    if kind == "s":
        return _value(value.s) if value.s else ""
    if kind == "type":
        return NAMES.get(value.type, "?")
    if kind == "shape" and value.shape.dim:
        return f"[{', '.join('?' if d.size < 0 else str(d.size) for d in value.shape.dim)}]"
    return ""


def _tensor_name(text: str) -> str:
    """Returns the name of a tensor without what says nothing: the output of a node that has one output."""
    name, *rest = text.split(":")
    if len(rest) == 2 and rest[1] == "0":
        return name if rest[0] in ("output", "z", "y", "handle", "product", "value") else f"{name}.{rest[0]}"
    return ":".join([name, *rest[-1:]]) if rest and rest[-1] != "0" else name


def functions_of(graph: pb.Graph) -> Mapping[str, pb.Function]:
    """Returns the functions of a graph by name."""
    return {function.signature.name: function for function in graph.library.function}
