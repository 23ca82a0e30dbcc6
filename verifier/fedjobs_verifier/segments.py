"""One graph of a shard, with the tensors that go in and come out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from fedjobs_protocol.v1 import shard_pb2
from google.protobuf.message import DecodeError

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits, rules
from fedjobs_verifier.contents import Contents, Kind, Type, dtype_of, named
from fedjobs_verifier.dtypes import NAMES, NUMBERS, PLAIN, STRING
from fedjobs_verifier.functions import Functions
from fedjobs_verifier.inference import Environment, Inference
from fedjobs_verifier.nodes import Counted, Nodes, check_order
from fedjobs_verifier.refusals import Refusal, shown
from fedjobs_verifier.tensors import Known, resolved, source_of
from fedjobs_verifier.unknown_fields import first_unknown

_FEED = re.compile(r"(input_(?:0|[1-9][0-9]{0,5})):0")
_FETCH = re.compile(r"([a-z_0-9]+):(0|[1-9][0-9]{0,5})")
_PLANNED = "Plan the computation with this release of fedjobs."


def rebuild_graph(
    segment: shard_pb2.Segment,
    given: Sequence[Type],
    labels: Sequence[str],
    allowed: Collection[str],
    counted: Counted,
) -> bytes:
    """Returns the rebuilt graph of a segment.

    Args:
        segment: The segment that came.
        given: The types of its inputs.
        labels: What its inputs are.
        allowed: Operations that are allowed in addition to the allow-list.
        counted: What is counted over the shard.
    """
    try:
        source = pb.Graph.FromString(segment.graph_def)
    except DecodeError:
        raise Refusal("its graph is not a graph", _PLANNED) from None
    target = pb.Graph()
    if source.versions.producer != rules.PRODUCER:
        raise Refusal(
            f"its graph is of version {source.versions.producer}",
            f"Plan the computation with TensorFlow 2.14, which writes version {rules.PRODUCER}.",
        )
    target.versions.producer = rules.PRODUCER
    feeds = _feeds(segment)
    named = dict.fromkeys(feeds, "token") | dict(zip(feeds, labels, strict=False))
    functions = Functions(source.library.function, allowed, counted)
    target.library.SetInParent()
    functions.rebuild(target.library)
    known = Known()
    nodes = Nodes(functions.signatures, allowed, counted)
    called = nodes.rebuild(source.node, target.node, known, feeds=feeds, inside=False)
    functions.check_calls(called, source.node)
    if not source.HasField("library"):
        target.ClearField("library")
    _check_fetches(segment, known)
    results = [
        *(_tensor(text) for text in segment.fetches),
        *([segment.initialize_op] if segment.initialize_op else []),
    ]
    check_order(source.node, results, [], named, counted)
    rebuilt = target.SerializeToString(deterministic=True)
    if rebuilt != segment.graph_def:
        unknown = first_unknown(source, "graph")
        if unknown:
            raise Refusal(f"its graph has a field that the verifier does not know, in {unknown}", _PLANNED)
        raise Refusal("its graph is not serialized canonically", _PLANNED)
    inference = Inference(functions.bodies, functions.signatures, counted.contents, counted.effort)
    environment = _fed(segment, feeds, given, known)
    inference.follow(known.steps, environment)
    _check_contents(segment, known, environment, counted.contents)
    return rebuilt


def _fed(segment: shard_pb2.Segment, feeds: Sequence[str], given: Sequence[Type], known: Known) -> Environment:
    """Returns what the inputs of the graph contain."""
    fed = [resolved(name, known, inside=False) for name in feeds]
    if segment.session_token_tensor and fed.pop() != STRING:
        raise Refusal("its session token is not a string", _PLANNED)
    if len(given) != len(fed):
        raise Refusal(f"it has {len(fed)} feeds for {len(given)} inputs", _PLANNED)
    for number, (one, other) in enumerate(zip(given, fed, strict=True)):
        if dtype_of(one) != other:
            raise Refusal(f"its feed {number} has another data type than its input", _PLANNED)
    return {(name, 0): type_ for name, type_ in zip(feeds, given, strict=False)}


def _feeds(segment: shard_pb2.Segment) -> list[str]:
    """Returns the names of the nodes that are fed."""
    if max(len(segment.feeds), len(segment.fetches)) > limits.LEAVES:
        raise Refusal("it has too many feeds or fetches", f"Use at most {limits.LEAVES}.")
    texts = [*segment.feeds, *([segment.session_token_tensor] if segment.session_token_tensor else [])]
    matches = [_FEED.fullmatch(text) for text in texts]
    for text, match in zip(texts, matches, strict=True):
        if match is None:
            raise Refusal(f"its feed {shown(text)} is not an input", _PLANNED)
    names = [match[1] for match in matches if match]
    if names != [f"input_{number}" for number in range(len(names))]:
        raise Refusal("its feeds are not input_0, input_1, and so on", _PLANNED)
    return names


def _check_fetches(segment: shard_pb2.Segment, known: Known) -> None:
    if len(segment.fetches) != len(segment.output_types):
        raise Refusal("its fetches and its types of outputs differ in number", _PLANNED)
    if len(set(segment.fetches)) < len(segment.fetches):
        raise Refusal("two of its fetches are the same tensor", _PLANNED)
    for text, leaf in zip(segment.fetches, segment.output_types, strict=True):
        match = _FETCH.fullmatch(text)
        if match is None or match[1] not in known.edges:
            raise Refusal(f"its fetch {shown(text)} is not a tensor", _PLANNED)
        if match[1].startswith("input_"):
            raise Refusal(f"its fetch {shown(text)} is an input", "Use the input itself.")
        dtype = resolved(_tensor(text), known, inside=False)
        if dtype is not None:
            check_type(f"fetch {shown(text)}", dtype, dtype_of(type_of(leaf, Contents())))
    if segment.initialize_op and segment.initialize_op not in known.edges:
        raise Refusal(f"its initializer {shown(segment.initialize_op)} is not a node", _PLANNED)


def _check_contents(segment: shard_pb2.Segment, known: Known, environment: Environment, contents: Contents) -> None:
    """Checks that datasets that are fetched have the elements that are declared."""
    for text, leaf in zip(segment.fetches, segment.output_types, strict=True):
        declared = type_of(leaf, contents)
        if not isinstance(declared, int):
            name, number, dtype = source_of(_tensor(text), declared.dtype, known, inside=False)
            check_type(f"fetch {shown(text)}", environment.get((name, number), dtype), declared)


def _tensor(fetch: str) -> str:
    """Returns how an input of a node names the tensor of a fetch."""
    return fetch.removesuffix(":0")


def check_type(what: str, given: Type, declared: Type) -> None:
    """Checks that a tensor has the type that is declared: its data type, and what it contains."""
    if given == declared:
        return
    if dtype_of(given) != dtype_of(declared):
        raise Refusal(
            f"{what} has the data type {NAMES[dtype_of(given)]}, and {NAMES[dtype_of(declared)]} is declared",
            "Declare the type it has.",
        )
    elements = [() if isinstance(type_, int) else type_.types for type_ in (declared, given)]
    raise Refusal(
        f"{what} is declared as a dataset of {named(elements[0])}, and its elements are {named(elements[1])}",
        "Declare the elements it has.",
    )


def type_of(leaf: shard_pb2.Leaf, contents: Contents) -> Type:
    """Returns the type of the tensor that carries a leaf."""
    if leaf.HasField("sequence"):
        return contents.of(Kind.DATASET, [_plain(component.tensor) for component in leaf.sequence.components])
    return _plain(leaf.tensor)


def _plain(tensor: shard_pb2.Tensor) -> int:
    number = NUMBERS.get(tensor.dtype, 0)
    if number not in PLAIN:
        raise Refusal(f"a leaf has the data type {shown(tensor.dtype)}", "Use numbers, truth values or strings.")
    return number
