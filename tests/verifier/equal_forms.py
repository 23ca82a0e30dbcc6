"""Changes of a shard that do not change its meaning. Each keeps to the grammar, but for the form that it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import numpy as np
import tensorflow as tf
from fedjobs_protocol.v1 import shard_pb2
from tensorflow.python.framework import op_def_registry

from tests.verifier.forging import GraphDef, bodies, name_functions

Form = Callable[[Random, shard_pb2.Shard], None]
FORMS: dict[str, Form] = {}


def programs(shard: shard_pb2.Shard) -> list[shard_pb2.Program]:
    return [shard.zero, shard.work, shard.accumulate]


def _form(change: Form) -> Form:
    FORMS[change.__name__.strip("_")] = change
    return change


def _of_graphs(change: Callable[[Random, shard_pb2.Segment, GraphDef], None]) -> Form:
    """Registers a change of a graph, which is applied to all graphs. Functions get the names of their new content."""

    def changed(random: Random, shard: shard_pb2.Shard) -> None:
        for program in programs(shard):
            for segment in program.segments:
                graph = GraphDef.FromString(segment.graph_def)
                change(random, segment, graph)
                name_functions(graph)
                segment.graph_def = graph.SerializeToString(deterministic=True)

    FORMS[change.__name__.strip("_")] = changed
    return changed


# --- nodes, functions and resources


def _renamed(text: str, names: Mapping[str, str]) -> str:
    control = text.startswith("^")
    name, colon, output = text[control:].partition(":")
    return "^" * control + names.get(name, name) + colon + output


def _rename(nodes: Any, names: Mapping[str, str]) -> None:
    for node in nodes:
        node.name = names.get(node.name, node.name)
        data = [_renamed(text, names) for text in node.input if not text.startswith("^")]
        node.input[:] = data + sorted(_renamed(text, names) for text in node.input if text.startswith("^"))


def _rename_ends(segment: shard_pb2.Segment, names: Mapping[str, str]) -> None:
    segment.feeds[:] = [_renamed(text, names) for text in segment.feeds]
    segment.fetches[:] = [_renamed(text, names) for text in segment.fetches]
    segment.initialize_op = names.get(segment.initialize_op, segment.initialize_op)
    segment.session_token_tensor = _renamed(segment.session_token_tensor, names)


def _shuffled(random: Random, nodes: Any, first: int) -> dict[str, str]:
    """Puts nodes in another order in which each comes after its inputs, and numbers them again."""
    left = [type(node).FromString(node.SerializeToString()) for node in nodes]
    waiting, done = left[first:], [node.name for node in left[:first]]
    names: dict[str, str] = {}
    result = left[:first]
    own = {node.name for node in left}
    while waiting:
        ready = [
            n for n in waiting if all((o := t.lstrip("^").partition(":")[0]) in done or o not in own for t in n.input)
        ]
        node = random.choice(ready)
        waiting.remove(node)
        done.append(node.name)
        names[node.name] = f"n{len(names)}"
        result.append(node)
    del nodes[:]
    nodes.extend(result)
    _rename(nodes, names)
    return names


@_of_graphs
def _order_of_nodes(random: Random, segment: shard_pb2.Segment, graph: GraphDef) -> None:
    _rename_ends(segment, _shuffled(random, graph.node, len(segment.feeds) + bool(segment.session_token_tensor)))
    for function in graph.library.function:
        names = _shuffled(random, function.node_def, 0)
        for key, text in list(function.ret.items()):
            function.ret[key] = _renamed(text, names)
        controls = sorted(names[name] for name in function.control_ret.values())
        for number, name in enumerate(controls):
            function.control_ret[f"c{number}"] = name


@_of_graphs
def _names_of_nodes(random: Random, segment: shard_pb2.Segment, graph: GraphDef) -> None:
    names = {node.name: f"x{random.randrange(10**9)}_{i}" for i, node in enumerate(graph.node)}
    _rename(graph.node, names)
    _rename_ends(segment, names)


@_form
def _names_of_functions(random: Random, shard: shard_pb2.Shard) -> None:
    for program in programs(shard):
        for segment in program.segments:
            graph = GraphDef.FromString(segment.graph_def)
            names = {f.signature.name: f"f_{random.getrandbits(128):032x}" for f in graph.library.function}
            for function in graph.library.function:
                function.signature.name = names[function.signature.name]
            for body in bodies(graph):
                for node in body:
                    for value in node.attr.values():
                        for called in [value.func] if value.HasField("func") else value.list.func:
                            called.name = names[called.name]
            ordered = sorted(graph.library.function, key=lambda f: random.random())
            copies = [type(f).FromString(f.SerializeToString()) for f in ordered]
            del graph.library.function[:]
            graph.library.function.extend(copies)
            segment.graph_def = graph.SerializeToString(deterministic=True)


@_of_graphs
def _names_of_resources(random: Random, _: shard_pb2.Segment, graph: GraphDef) -> None:
    start = random.randrange(1, 1000)
    for body in bodies(graph):
        for node in body:
            if "shared_name" in node.attr and node.attr["shared_name"].s:
                old = node.attr["shared_name"].s
                prefix = b"rf" if old.startswith(b"rf") else b"r"
                node.attr["shared_name"].s = b"%s%d" % (prefix, int(old.removeprefix(prefix)) + start)


@_of_graphs
def _mark_of_functions(_: Random, __: shard_pb2.Segment, graph: GraphDef) -> None:
    for function in graph.library.function:
        function.signature.is_stateful = not function.signature.is_stateful


# --- attributes and constants


@_of_graphs
def _default_attributes(random: Random, _: shard_pb2.Segment, graph: GraphDef) -> None:
    for body in bodies(graph):
        for node in body:
            for attribute in op_def_registry.get(node.op).attr:
                default = attribute.default_value
                same = attribute.HasField("default_value") and node.attr[attribute.name] == default
                if same and random.random() < 0.7:
                    del node.attr[attribute.name]


def _written_otherwise(random: Random, tensor: Any) -> Any:
    """Returns a constant as bytes, as a list of all elements, or as a list that its last element ends."""
    if tensor.dtype == tf.string.as_datatype_enum:
        result = type(tensor).FromString(tensor.SerializeToString())
        count = int(np.prod([d.size for d in tensor.tensor_shape.dim], dtype=np.int64))
        if len(result.string_val) < count <= 1000:
            result.string_val.extend([result.string_val[-1]] * (count - len(result.string_val)))
        elif len(result.string_val) > 1 and result.string_val[-1] == result.string_val[-2]:
            del result.string_val[-1]
        return result
    array = tf.make_ndarray(tensor)
    result = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
    if not array.size or array.size > 100_000 or array.dtype.kind not in "fiub" or array.dtype.itemsize < 4:
        return tensor
    if random.random() < 0.5:
        result.tensor_content = array.tobytes()
        return result
    if np.isnan(array).any():
        return tensor
    values = array.reshape([-1]).tolist()
    while len(values) > 1 and values[-1] == values[-2] and random.random() < 0.9:
        values.pop()
    field = {"f4": "float_val", "f8": "double_val", "i4": "int_val", "i8": "int64_val", "u4": "uint32_val",
             "u8": "uint64_val"}[array.dtype.str[1:]]  # fmt: skip
    if values == [0] and str(values) != "[-0.0]" and random.random() < 0.5:
        return result  # no element is written, and all are zeros
    getattr(result, field).extend(values)
    return result


@_of_graphs
def _form_of_constants(random: Random, _: shard_pb2.Segment, graph: GraphDef) -> None:
    for body in bodies(graph):
        for node in body:
            if node.op == "Const" and random.random() < 0.7:
                tensor = node.attr["value"].tensor
                tensor.CopyFrom(_written_otherwise(random, tensor))


# --- values of programs


def _all_leaves(shard: shard_pb2.Shard) -> Iterator[shard_pb2.Leaf]:
    yield from (*shard.broadcasts, *shard.client_inputs, *shard.accumulators)
    for program in programs(shard):
        for segment in program.segments:
            yield from segment.output_types


@_form
def _names_of_leaves(random: Random, shard: shard_pb2.Shard) -> None:
    leaves = list(_all_leaves(shard))
    for leaf in random.sample(leaves, random.randrange(1, len(leaves) + 1)):
        leaf.name = f"name {random.randrange(10**6)}"


@_form
def _order_of_feeds(random: Random, shard: shard_pb2.Shard) -> None:
    for program in programs(shard):
        for segment in program.segments:
            count = len(segment.inputs)
            places = random.sample(range(count), count)
            graph = GraphDef.FromString(segment.graph_def)
            names = {f"input_{old}": f"input_{new}" for new, old in enumerate(places)}
            given = list(segment.inputs)
            _rename(graph.node, names)
            nodes = sorted(graph.node[:count], key=lambda n: int(n.name.removeprefix("input_")))
            nodes += graph.node[count:]
            copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
            del graph.node[:]
            graph.node.extend(copies)
            _rename_ends(segment, names)
            segment.feeds[:] = [f"input_{number}:0" for number in range(count)]
            segment.inputs[:] = [given[old] for old in places]
            segment.graph_def = graph.SerializeToString(deterministic=True)


@_form
def _repeated_feeds(_: Random, shard: shard_pb2.Shard) -> None:
    """An input of a graph becomes two, of which one is used once and the other one by the rest."""
    for program in programs(shard):
        for segment in program.segments:
            count = len(segment.inputs)
            graph = GraphDef.FromString(segment.graph_def)
            if not count or segment.session_token_tensor or sum("input_0" in n.input for n in graph.node) < 2:
                continue
            copy = type(graph.node[0]).FromString(graph.node[0].SerializeToString())
            copy.name = f"input_{count}"
            user = next(node for node in graph.node if "input_0" in node.input)
            user.input[list(user.input).index("input_0")] = copy.name
            nodes = [*graph.node[:count], copy, *graph.node[count:]]
            copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
            del graph.node[:]
            graph.node.extend(copies)
            segment.feeds.append(f"{copy.name}:0")
            segment.inputs.append(segment.inputs[0])
            segment.graph_def = graph.SerializeToString(deterministic=True)


def _renumber(program: shard_pb2.Program, numbers: Mapping[int, int]) -> None:
    for segment in program.segments:
        segment.inputs[:] = [numbers.get(value, value) for value in segment.inputs]
    program.outputs[:] = [numbers.get(value, value) for value in program.outputs]


@_form
def _order_of_fetches(random: Random, shard: shard_pb2.Shard) -> None:
    for program in programs(shard):
        first = program.inputs
        for segment in program.segments:
            count = len(segment.fetches)
            places = random.sample(range(count), count)
            fetches, types = list(segment.fetches), list(segment.output_types)
            segment.fetches[:] = [fetches[old] for old in places]
            copies = [shard_pb2.Leaf.FromString(types[old].SerializeToString()) for old in places]
            del segment.output_types[:]
            segment.output_types.extend(copies)
            _renumber(program, {first + old: first + new for new, old in enumerate(places)})
            first += count


@_form
def _repeated_fetches(_: Random, shard: shard_pb2.Shard) -> None:
    for program in programs(shard):
        if program.segments and program.segments[-1].fetches:
            last = program.segments[-1]
            end = program.inputs + sum(len(segment.fetches) for segment in program.segments)
            last.fetches.append(last.fetches[-1])
            last.output_types.extend(last.output_types[-1:])
            uses = [number for number, value in enumerate(program.outputs) if value == end - 1]
            for number in uses[-1:]:
                program.outputs[number] = end


@_form
def _fetched_inputs(_: Random, shard: shard_pb2.Shard) -> None:
    """A graph gives out an input of it, and the program returns this instead of the input."""
    inputs, program = [*shard.broadcasts, *shard.client_inputs], shard.work
    end = program.inputs
    for segment in program.segments:
        end += len(segment.fetches)
        passed = [v for v in segment.inputs if v in program.outputs and v < program.inputs]
        if passed and f"{segment.feeds[list(segment.inputs).index(passed[0])]}" not in segment.fetches:
            segment.fetches.append(segment.feeds[list(segment.inputs).index(passed[0])])
            segment.output_types.add().CopyFrom(inputs[passed[0]])
            last = program.inputs + sum(len(segment.fetches) for segment in program.segments)
            _renumber(program, {value: value + 1 for value in range(end, last)})
            program.outputs[list(program.outputs).index(passed[0])] = end
            return


@_form
def _order_of_segments(random: Random, shard: shard_pb2.Shard) -> None:
    for program in programs(shard):
        segments = [shard_pb2.Segment.FromString(s.SerializeToString()) for s in program.segments]
        made, first = [], program.inputs
        for segment in segments:
            made.append(range(first, first + len(segment.fetches)))
            first += len(segment.fetches)
        maker = {value: number for number, values in enumerate(made) for value in values}
        order: list[int] = []
        while len(order) < len(segments):
            ready = [
                number
                for number, segment in enumerate(segments)
                if number not in order and all(maker[v] in order for v in segment.inputs if v in maker)
            ]
            order.append(random.choice(ready))
        numbers = dict(zip([v for n in order for v in made[n]], range(program.inputs, first), strict=True))
        del program.segments[:]
        program.segments.extend(segments[number] for number in order)
        _renumber(program, numbers)
