"""The functions of a segment. They are named by their content, do not call themselves, and are all called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import blake3

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits
from fedjobs_verifier.allowed import ALLOWED_OPERATIONS
from fedjobs_verifier.dtypes import NAMES
from fedjobs_verifier.nodes import Counted, Nodes, Signature, check_order, weight
from fedjobs_verifier.operations import STATEFUL_OPERATIONS
from fedjobs_verifier.refusals import Refusal, shown, within
from fedjobs_verifier.steps import Body
from fedjobs_verifier.tensors import Known, Outputs, resolved, source_of

_NAME = re.compile(r"f_[0-9a-f]{32}")  # no operation has such a name
_PLANNED = "Plan the computation with this release of fedjobs."


class Functions:
    """The library of a segment.

    Args:
        source: The functions that came.
        allowed: Operations that are allowed in addition to the allow-list.
        counted: What is counted over the shard.
    """

    def __init__(self, source: Sequence[pb.Function], allowed: Collection[str], counted: Counted) -> None:
        if len(source) > limits.FUNCTIONS:
            raise Refusal(f"it has {len(source)} functions", f"Use at most {limits.FUNCTIONS}.")
        self._source = source
        self.signatures: Mapping[str, Signature] = {
            function.signature.name: (_types(function.signature.input_arg), _types(function.signature.output_arg))
            for function in source
        }
        self._nodes = Nodes(self.signatures, allowed, counted)
        self._counted = counted
        self.bodies: dict[str, Body] = {}
        self._calls: dict[str, Counter[str]] = {}
        self._sizes: dict[str, int] = {}

    def rebuild(self, target: pb.Library) -> None:
        """Copies the functions."""
        before = ""
        for function in self._source:
            name = function.signature.name
            with within(f"function {shown(name)}"):
                if not _NAME.fullmatch(name):
                    raise Refusal("this is not the name of a function of a planned graph", _PLANNED)
                if name <= before:
                    raise Refusal("functions are not sorted by name, or two have this name", _PLANNED)
                before = name
                self._rebuild(function, target.function.add())

    def check_calls(self, called: Iterable[str], nodes: Iterable[pb.Node]) -> None:
        """Checks that no function calls itself, that each is called, and how much there is to run.

        Args:
            called: The functions that the nodes of the graph call, once for each call.
            nodes: These nodes.
        """
        sizes: dict[str, tuple[int, int]] = {}
        calls = Counter(called)
        size, _ = _size(sum(map(weight, nodes)), calls, [self._expanded(name, sizes, ()) for name in calls])
        if size > limits.EXPANDED:
            raise Refusal(f"its calls expand to {size} nodes and edges", f"Use at most {limits.EXPANDED}.")
        unused = sorted(self.signatures.keys() - sizes.keys())
        if unused:
            raise Refusal(f"the function {shown(unused[0])} is never called", _PLANNED)

    def _expanded(self, name: str, sizes: dict[str, tuple[int, int]], callers: tuple[str, ...]) -> tuple[int, int]:
        """Returns how many nodes a function has with those of the functions that it calls, and the depth of calls."""
        if name in callers:
            raise Refusal(f"the function {shown(name)} calls itself", "Use loops instead of recursion.")
        if len(callers) >= limits.DEPTH:
            raise Refusal(f"functions call each other {limits.DEPTH} deep", f"Use less than {limits.DEPTH}.")
        if name not in sizes:
            calls = self._calls[name]
            sizes[name] = _size(
                self._sizes[name], calls, [self._expanded(other, sizes, (*callers, name)) for other in calls]
            )
        if len(callers) + sizes[name][1] > limits.DEPTH:
            raise Refusal(f"functions call each other {limits.DEPTH} deep", f"Use less than {limits.DEPTH}.")
        return sizes[name]

    def _rebuild(self, source: pb.Function, target: pb.Function) -> None:
        signature, name = source.signature, source.signature.name
        known = Known()
        for position, argument in enumerate(signature.input_arg):
            name_ = _named(argument, f"a{position}", target.signature.input_arg.add())
            known.outputs[name_] = Outputs({}, [_dtype(argument)])
        calls = self._nodes.rebuild(source.node_def, target.node_def, known, inside=True)
        self._calls[name], self._sizes[name] = Counter(calls), sum(map(weight, source.node_def))
        sources = []
        for position, argument in enumerate(signature.output_arg):
            _named(argument, f"o{position}", target.signature.output_arg.add())
            returned = source.ret.get(f"o{position}", "")
            dtype = resolved(returned, known, inside=True)
            if dtype is not None and dtype != _dtype(argument):
                raise Refusal(f"its output {position} is of the data type {NAMES[dtype]}", "Declare the type it has.")
            target.ret[f"o{position}"] = returned
            sources.append(source_of(returned, _dtype(argument), known, inside=True))
        self.bodies[name] = Body(known.steps, sources)
        controls = [source.control_ret.get(f"c{position}", "") for position in range(len(signature.control_output))]
        for position, (output, controlling) in enumerate(zip(signature.control_output, controls, strict=True)):
            if output != f"c{position}" or controlling not in known.edges:
                raise Refusal(f"its control output {shown(output)} is no node", _PLANNED)
            target.signature.control_output.append(output)
            target.control_ret[output] = controlling
        if controls != sorted(set(controls)):
            raise Refusal("its control outputs are not sorted, or one occurs twice", _PLANNED)
        operations = {node.op for node in source.node_def}
        stateful = not STATEFUL_OPERATIONS.isdisjoint(operations)
        # TensorFlow knows whether an operation has side effects that only the silo's file allows.
        if signature.is_stateful != stateful and operations <= ALLOWED_OPERATIONS:
            raise Refusal(f"it is {'not ' * stateful}marked as stateful", _PLANNED)
        target.signature.is_stateful = signature.is_stateful
        results = [source.ret[f"o{position}"] for position in range(len(signature.output_arg))]
        check_order(source.node_def, results, controls, {}, self._counted)
        content = blake3.blake3(target.SerializeToString(deterministic=True)).hexdigest()
        if name != f"f_{content[:32]}":
            raise Refusal(
                "its name is not the digest of its content, or it has what the verifier does not know", _PLANNED
            )
        target.signature.name = name


def _types(arguments: Sequence[pb.Argument]) -> list[int]:
    if len(arguments) > limits.ENTRIES:
        raise Refusal(f"a function has {len(arguments)} arguments or outputs", f"Use at most {limits.ENTRIES}.")
    return [argument.type for argument in arguments]


def _size(nodes: int, calls: Mapping[str, int], called: Sequence[tuple[int, int]]) -> tuple[int, int]:
    size = nodes + sum(count * expanded for count, (expanded, _) in zip(calls.values(), called, strict=True))
    return min(size, limits.EXPANDED + 1), 1 + max((depth for _, depth in called), default=0)


def _named(argument: pb.Argument, name: str, target: pb.Argument) -> str:
    if argument.name != name:
        raise Refusal(f"its argument or output {shown(argument.name)} is not named '{name}'", _PLANNED)
    target.name, target.type = name, _dtype(argument)
    return name


def _dtype(argument: pb.Argument) -> int:
    if argument.type not in NAMES:
        raise Refusal(f"its argument or output {shown(argument.name)} has no data type", _PLANNED)
    return argument.type
