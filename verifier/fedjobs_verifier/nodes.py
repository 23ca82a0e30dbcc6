"""Nodes of a graph or of a function: operations of the allow-list, in an order in which each comes after its inputs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits, rules
from fedjobs_verifier.attributes import Attributes
from fedjobs_verifier.constants import Budget, integers_of
from fedjobs_verifier.contents import Contents
from fedjobs_verifier.dtypes import NAMES, RESOURCE, VARIANT
from fedjobs_verifier.inference import Effort
from fedjobs_verifier.operations import Argument, Operation, known
from fedjobs_verifier.order import OrderError, canonical_order
from fedjobs_verifier.ranges import FOLLOWED, Range, range_of, range_of_constant
from fedjobs_verifier.refusals import OperationRefusal, Refusal, shown
from fedjobs_verifier.steps import Source, Step
from fedjobs_verifier.tensors import ORDER, Dtype, Known, Outputs, data_inputs, node_of, resolved, source_of

OPERATION_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,79}")
# TensorFlow makes a few nodes of each variable of a loop, and of each input of a branch.
_LOWERED = {"While": 8, "StatelessWhile": 8, "If": 3, "StatelessIf": 3, "Case": 3, "StatelessCase": 3}
Signature = tuple[Sequence[int], Sequence[int]]
"""The data types of the inputs and of the outputs of a function."""

_CONTAINERS = frozenset({VARIANT, RESOURCE})
_PLANNED = "Plan the computation with this release of fedjobs."


@dataclass
class Counted:
    """What is counted over a whole shard.

    Attributes:
        budget: What its constants may still take.
        operations: The operations that it uses.
        nodes: The number of nodes.
        parallel: The number of datasets that start threads.
        tensors: The number of outputs of nodes.
        contents: The contents of its datasets and resources.
        effort: What may still be done to find them.
        ordered: How many nodes were looked at to find the canonical order.
    """

    budget: Budget = field(default_factory=Budget)
    operations: set[str] = field(default_factory=set)
    nodes: int = 0
    parallel: int = 0
    tensors: int = 0
    contents: Contents = field(default_factory=Contents)
    effort: Effort = field(default_factory=Effort)
    ordered: int = 0

    def order(self, amount: int) -> None:
        """Counts nodes that are looked at to find the canonical order."""
        self.ordered += amount
        if self.ordered > limits.ORDERED:
            raise Refusal(
                f"its control inputs are compared more than {limits.ORDERED} times", "Use fewer control inputs."
            )


class Nodes:
    """Rebuilds nodes.

    Args:
        functions: The functions of the segment, by name.
        allowed: Operations that are allowed in addition to the allow-list.
        counted: What is counted over the shard.
    """

    def __init__(self, functions: Mapping[str, Signature], allowed: Collection[str], counted: Counted) -> None:
        self._functions = functions
        self._allowed = allowed
        self._counted = counted
        self._attributes = Attributes(functions, counted.budget)

    def rebuild(
        self, source: Sequence[pb.Node], target: Any, known_: Known, *, feeds: Sequence[str] = (), inside: bool
    ) -> list[str]:
        """Copies the nodes. Returns the functions that they call, once for each call.

        Args:
            source: The nodes.
            target: The repeated field to write.
            known_: The arguments of a function, or nothing. The outputs of the nodes are added.
            feeds: The names of the first nodes, which are the inputs of a graph.
            inside: Whether they are the nodes of a function, whose inputs have other names than those of a graph.
        """
        called: list[str] = []
        for position, node in enumerate(source):
            fed = position < len(feeds)
            name = feeds[position] if fed else f"n{position - len(feeds)}"
            try:
                if node.name != name:
                    raise Refusal(f"its name is not '{name}'", ORDER)
                if (node.op in rules.INPUTS) != fed or (fed and node.input):
                    raise Refusal("the inputs of a graph are its first nodes, and are placeholders", _PLANNED)
                called += self._rebuild(node, target.add(), known_, inside=inside)
            except Refusal as refusal:  # `within` would take a quarter of the time
                raise refusal.at(f"node {shown(node.name)} ({shown(node.op)[1:-1]})") from None
        if len(source) < len(feeds):
            raise Refusal("not every input is a node", _PLANNED)
        return called

    def _rebuild(self, source: pb.Node, target: pb.Node, known_: Known, *, inside: bool) -> list[str]:
        self._counted.nodes += 1
        if self._counted.nodes > limits.NODES:
            raise Refusal(f"the shard has more than {limits.NODES} nodes", "Use a smaller computation.")
        operation = self._operation(source.op)
        target.name, target.op = source.name, source.op
        known_.operations[source.name] = source.op
        if source.device not in rules.DEVICES:
            raise Refusal(f"it has the device {shown(source.device)}", "Do not place operations on devices.")
        target.device = source.device
        values, called = self._attributes.rebuild(source, target, operation)
        if len(source.input) > limits.ENTRIES:
            raise Refusal(f"it has {len(source.input)} inputs", f"Use at most {limits.ENTRIES}.")
        data = data_inputs(source.input, known_)
        dtypes = [resolved(text, known_, inside=inside) for text in data]
        target.input.extend(source.input)
        known_.edges[source.name] = [node_of(text) for text in source.input]
        if operation is None:
            known_.outputs[source.name] = None
            if called:
                known_.steps.append(Step(source.name, source.op, None, values, {}, (), called))
            return called
        expected = _check_inputs(operation, values, dtypes)
        self._count_parallel(operation.name)
        _check_constant_inputs(operation, values, source.input, known_)
        _check_resource(operation.name, values, known_, inside=inside)
        _check_shapes(values)
        self._check_calls(operation.name, values)
        inputs = [source_of(text, dtype, known_, inside=inside) for text, dtype in zip(data, expected, strict=True)]
        _check_sources(operation, values, inputs, known_)
        outputs = known_.outputs[source.name] = self._outputs(operation, values)
        if called or not _CONTAINERS.isdisjoint(outputs.flat) or not _CONTAINERS.isdisjoint(expected):
            arguments = _by_argument(operation, values, inputs)
            known_.steps.append(Step(source.name, source.op, operation, values, arguments, outputs.flat, called))
        if source.op == "Const":
            _check_constant(values, source.name, known_)
        elif source.op in FOLLOWED:
            numbers = range_of(source.op, [_range(each, known_) for each in inputs])
            if numbers is not None:
                known_.ranges[source.name] = numbers
        return called

    def _count_parallel(self, operation: str) -> None:
        if operation in rules.PARALLEL_INPUTS:
            self._counted.parallel += 1
            if self._counted.parallel > limits.PARALLEL_DATASETS:
                most = limits.PARALLEL_DATASETS
                raise Refusal(f"more than {most} datasets of the shard start threads", "Use fewer parallel datasets.")

    def _outputs(self, operation: Operation, values: Mapping[str, Any]) -> Outputs:
        named = {argument.name: _expanded(argument, values) for argument in operation.outputs}
        flat = [dtype for dtypes in named.values() for dtype in dtypes]
        self._counted.tensors += len(flat)
        if self._counted.tensors > limits.TENSORS:
            raise Refusal(f"the nodes of the shard have more than {limits.TENSORS} outputs", "Use fewer outputs.")
        return Outputs(named, flat)

    def _operation(self, name: str) -> Operation | None:
        if not OPERATION_NAME.fullmatch(name):
            raise Refusal("this is not the name of an operation", _PLANNED)
        self._counted.operations.add(name)
        operation = known().get(name)
        if operation is None and name not in self._allowed:
            raise OperationRefusal(
                f"the operation {name} is not on the allow-list",
                "Use other operations, or ask the silo to allow it in policy.computations.operations.allow.",
            )
        return operation

    def _check_calls(self, operation: str, values: Mapping[str, Any]) -> None:
        """Checks that functions take the inputs of the node that calls them, and give its outputs."""
        if operation in rules.CONDITIONS:
            attribute, types = rules.CONDITIONS[operation]
            inputs, outputs = self._functions[values[attribute]]
            if list(inputs) != values[types] or len(outputs) != 1:
                raise Refusal(f"the function of {attribute} has other inputs or outputs", "Give it the node's inputs.")
        attributes, given, wanted = rules.CALLS.get(operation, ((), "", ""))
        for attribute in attributes:
            names = values[attribute]
            for name in {names} if isinstance(names, str) else set(names):
                inputs, outputs = self._functions[name]
                if list(inputs) != values[given] or list(outputs) != values[wanted]:
                    raise Refusal(
                        f"the function of {attribute} has other inputs or outputs", "Give it the node's inputs."
                    )


def _check_inputs(operation: Operation, values: Mapping[str, Any], dtypes: Sequence[Dtype]) -> list[int]:
    """Checks the data types of the inputs. Returns those that the operation takes."""
    expected = [dtype for argument in operation.inputs for dtype in _expanded(argument, values)]
    if len(dtypes) != len(expected):
        raise Refusal(f"it has {len(dtypes)} inputs instead of {len(expected)}", "Give each input once.")
    for number, (one, other) in enumerate(zip(expected, dtypes, strict=True)):
        if other is not None and one != other:
            raise Refusal(
                f"its input {number} has the data type {NAMES[other]} instead of {NAMES.get(one, one)}",
                "Connect tensors of the same data type.",
            )
    return expected


def _by_argument(
    operation: Operation, values: Mapping[str, Any], sources: Sequence[Source]
) -> dict[str, Sequence[Source]]:
    found: dict[str, Sequence[Source]] = {}
    position = 0
    for argument in operation.inputs:
        count = len(_expanded(argument, values)) if argument.list_attribute or argument.number_attribute else 1
        found[argument.name] = sources[position : position + count]
        position += count
    return found


def _expanded(argument: Argument, values: Mapping[str, Any]) -> list[int]:
    """Returns the data types of the tensors for which an argument stands."""
    try:
        if argument.list_attribute:
            return list(values[argument.list_attribute])
        dtype = argument.dtype or values[argument.type_attribute]
        count = values[argument.number_attribute] if argument.number_attribute else 1
    except KeyError as error:
        raise Refusal(
            f"the attribute {error.args[0]} is missing", "Write the attribute, even if it is the default."
        ) from None
    if not 0 <= count <= limits.ENTRIES:
        raise Refusal(f"{argument.name} stands for {count} tensors", f"Use at most {limits.ENTRIES}.")
    return [dtype] * count


def _check_constant(values: Mapping[str, Any], name: str, known_: Known) -> None:
    tensor: pb.Tensor = values["value"]
    if tensor.dtype != values["dtype"]:
        raise Refusal("the data types of dtype and value differ", "Use one data type.")
    elements = integers_of(tensor, 1)
    if elements and not tensor.tensor_shape.dim:
        known_.constants[name] = elements[0]
    numbers = range_of_constant(tensor)
    if numbers is not None:
        known_.ranges[name] = numbers


def _check_sources(operation: Operation, values: Mapping[str, Any], inputs: Sequence[Source], known_: Known) -> None:
    """Checks where inputs come from whose values the kernel does not check."""
    for argument, wanted in rules.SOURCES.get(operation.name, {}).items():
        ((name, number, _),) = _by_argument(operation, values, inputs)[argument]
        if (known_.operations.get(name), number) not in wanted:
            raise Refusal(f"its {argument} does not come from {wanted[0][0]}", "Connect it directly.")
    if operation.name in rules.NOT_NEGATIVE:
        argument = rules.NOT_NEGATIVE[operation.name]
        (source,) = _by_argument(operation, values, inputs)[argument]
        numbers = _range(source, known_)
        if numbers is None or numbers[0] < 0:
            raise Refusal(f"its {argument} may have a negative number", "Use a constant without negative numbers.")


def _range(source: Source, known_: Known) -> Range | None:
    name, number, _ = source
    return known_.ranges.get(name) if number == 0 else None


def _check_constant_inputs(
    operation: Operation, values: Mapping[str, Any], inputs: Sequence[str], known_: Known
) -> None:
    parallel = rules.PARALLEL_INPUTS.get(operation.name, ())
    buffers = rules.BUFFER_INPUTS.get(operation.name, ())
    position = 0
    for argument in operation.inputs:
        if argument.name in (*parallel, *buffers):
            most = limits.PARALLEL if argument.name in parallel else limits.BUFFERED
            number = known_.constants.get(node_of(inputs[position]))
            if number is None or not -2 <= number <= most:
                raise Refusal(
                    f"{argument.name} is {'not a constant' if number is None else number}",
                    f"Use a constant of at most {most}, or tf.data.AUTOTUNE.",
                )
        position += len(_expanded(argument, values))


def _check_resource(operation: str, values: Mapping[str, Any], known_: Known, *, inside: bool) -> None:
    """Checks that no variable is shared with other shards in the same process. The runner names tables.

    The names are numbers in the order in which the nodes use them first.
    """
    name = values.get("shared_name", b"")
    if operation in rules.NAMED_RESOURCES and not name:
        raise Refusal("its resource has no name", _PLANNED)
    if name and name not in known_.resources:
        number = b"%s%d" % (b"rf" if inside else b"r", len(known_.resources))
        if name != number:
            raise Refusal(f"its resource is named {shown(name)} instead of {shown(number)}", _PLANNED)
        known_.resources.add(name)


def _check_shapes(values: Mapping[str, Any]) -> None:
    """Checks that a dataset declares as many shapes as types. TensorFlow takes the number of one for the other."""
    types = values.get("output_types", values.get("Toutput_types"))
    if types is not None and "output_shapes" in values and len(types) != len(values["output_shapes"]):
        shapes = len(values["output_shapes"])
        raise Refusal(f"output_shapes has {shapes} shapes for {len(types)} types", "Declare a shape for each type.")


def check_order(
    nodes: Sequence[pb.Node],
    results: Sequence[str],
    controls: Sequence[str],
    labels: Mapping[str, str],
    counted: Counted,
) -> None:
    """Checks that each node is used, and that nodes and inputs are in the canonical order.

    Args:
        nodes: The nodes of a graph or a function. Those of `labels` are the first.
        results: The tensors of the results.
        controls: The nodes that must run too.
        labels: What the inputs of a graph are.
        counted: What is counted over the shard.
    """
    by_name = {node.name: node for node in nodes}
    try:
        order = canonical_order(by_name, results, controls, labels, counted.order)
    except OrderError as error:
        raise Refusal(f"the node {shown(error.node)} {error.why}", _PLANNED) from None
    if len(order) < len(nodes):
        unused = sorted(by_name.keys() - set(order))
        raise Refusal(f"nothing uses the node {shown(unused[0])}", _PLANNED)
    wanted = [name for name in order if name in labels] + [name for name in order if name not in labels]
    for node, name in zip(nodes, wanted, strict=True):
        if node.name != name:
            raise Refusal(f"the node {shown(name)} comes before {shown(node.name)}", ORDER)


def weight(node: pb.Node) -> int:
    """Returns the approximate number of nodes and edges that TensorFlow makes of a node when it loads a graph."""
    return 1 + len(node.input) * _LOWERED.get(node.op, 1)
