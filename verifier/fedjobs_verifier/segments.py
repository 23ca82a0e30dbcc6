"""One graph of a shard, with the tensors that go in and come out."""

from __future__ import annotations

import re
from collections.abc import Collection

from fedjobs_protocol.v1 import shard_pb2
from google.protobuf.message import DecodeError

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits, rules
from fedjobs_verifier.dtypes import NAMES, NUMBERS, PLAIN, STRING, VARIANT
from fedjobs_verifier.functions import Functions
from fedjobs_verifier.nodes import Counted, Nodes
from fedjobs_verifier.refusals import Refusal, shown
from fedjobs_verifier.tensors import Dtype, Known, resolved
from fedjobs_verifier.unknown_fields import first_unknown

_FEED = re.compile(r"(input_(?:0|[1-9][0-9]{0,5})):0")
_FETCH = re.compile(r"([a-z_0-9]+):(0|[1-9][0-9]{0,5})")
_PLANNED = "Plan the computation with this release of fedjobs."


def rebuild_graph(segment: shard_pb2.Segment, allowed: Collection[str], counted: Counted) -> tuple[bytes, list[Dtype]]:
    """Returns the rebuilt graph of a segment, and the data types of its feeds."""
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
    _check_reachable(segment, known)
    rebuilt = target.SerializeToString(deterministic=True)
    if rebuilt != segment.graph_def:
        unknown = first_unknown(source, "graph")
        if unknown:
            raise Refusal(f"its graph has a field that the verifier does not know, in {unknown}", _PLANNED)
        raise Refusal("its graph is not serialized canonically", _PLANNED)
    fed = [resolved(name, known, inside=False) for name in feeds]
    if segment.session_token_tensor and fed.pop() != STRING:
        raise Refusal("its session token is not a string", _PLANNED)
    return rebuilt, fed


def _feeds(segment: shard_pb2.Segment) -> list[str]:
    """Returns the names of the nodes that are fed, in the order of their numbers."""
    if max(len(segment.feeds), len(segment.fetches)) > limits.LEAVES:
        raise Refusal("it has too many feeds or fetches", f"Use at most {limits.LEAVES}.")
    texts = [*segment.feeds, *([segment.session_token_tensor] if segment.session_token_tensor else [])]
    matches = [_FEED.fullmatch(text) for text in texts]
    for text, match in zip(texts, matches, strict=True):
        if match is None:
            raise Refusal(f"its feed {shown(text)} is not an input", _PLANNED)
    names = [match[1] for match in matches if match]
    numbers = [int(name.removeprefix("input_")) for name in names]
    if numbers != sorted(set(numbers)):
        raise Refusal("its feeds are not in order", _PLANNED)
    return names


def _check_fetches(segment: shard_pb2.Segment, known: Known) -> None:
    if len(segment.fetches) != len(segment.output_types):
        raise Refusal("its fetches and its types of outputs differ in number", _PLANNED)
    for text, leaf in zip(segment.fetches, segment.output_types, strict=True):
        match = _FETCH.fullmatch(text)
        if match is None or match[1] not in known.edges:
            raise Refusal(f"its fetch {shown(text)} is not a tensor", _PLANNED)
        dtype = resolved(match[1] if match[2] == "0" else text, known, inside=False)
        check_dtype(f"fetch {shown(text)}", dtype, leaf)
    if segment.initialize_op and segment.initialize_op not in known.edges:
        raise Refusal(f"its initializer {shown(segment.initialize_op)} is not a node", _PLANNED)


def _check_reachable(segment: shard_pb2.Segment, known: Known) -> None:
    """Checks that each node is used: a fetch or the initializer needs it."""
    pending = [text.partition(":")[0] for text in segment.fetches]
    pending += [segment.initialize_op] if segment.initialize_op else []
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += known.edges[name]
    unused = [name for name in known.edges if name not in seen]
    if unused:
        raise Refusal(f"nothing uses the node {shown(unused[0])}", _PLANNED)


def check_dtype(what: str, dtype: Dtype, leaf: shard_pb2.Leaf) -> None:
    """Checks that a tensor has the data type of its declaration. A dataset is a variant."""
    declared = dtype_of(leaf)
    if dtype is not None and dtype != declared:
        raise Refusal(
            f"{what} has the data type {NAMES[dtype]}, and {NAMES[declared]} is declared", "Declare the type it has."
        )


def dtype_of(leaf: shard_pb2.Leaf) -> int:
    """Returns the number of the data type of the tensor that carries a leaf."""
    if leaf.HasField("sequence"):
        return VARIANT
    number = NUMBERS.get(leaf.tensor.dtype, 0)
    if number not in PLAIN:
        raise Refusal(f"a leaf has the data type {shown(leaf.tensor.dtype)}", "Use numbers, truth values or strings.")
    return number
