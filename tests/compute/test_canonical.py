"""The canonical form keeps what has a meaning, or refuses the graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf
from fedjobs_compute.canonical import CanonicalError, canonical_graph
from tensorflow.core.framework.graph_pb2 import GraphDef


def _graph(*functions: Callable[[tf.Tensor], tf.Tensor]) -> GraphDef:
    graph = tf.Graph()
    with graph.as_default():
        value = tf.compat.v1.placeholder(tf.float32, [], name="x")
        for function in functions:
            value = tf.function(function)(value)
        tf.identity(value, name="y")
    return graph.as_graph_def()


def _canonical(graph: GraphDef) -> GraphDef:
    return canonical_graph(graph, ["x:0"], ["y:0"]).graph_def


def test_hints_are_dropped_from_nodes_functions_and_names_of_functions() -> None:
    canonical = _canonical(_graph(lambda x: tf.cond(x > 0, lambda: x * 2, lambda: x - 1)))
    bodies = [canonical.node, *(f.node_def for f in canonical.library.function)]
    assert {node.op for body in bodies for node in body} >= {"StatelessIf", "PartitionedCall", "Mul"}
    assert [key for body in bodies for node in body for key in node.attr if key.startswith("_")] == []
    assert not any(node.HasField("experimental_type") for body in bodies for node in body)
    assert not any(f.attr or f.arg_attr for f in canonical.library.function)


def _recursive(graph: GraphDef) -> None:
    function = graph.library.function[0]
    for node in graph.node:
        if node.op == "PartitionedCall":
            function.node_def.add().CopyFrom(node)
            function.node_def[-1].input[:] = [function.signature.input_arg[0].name]


def _polymorphic(graph: GraphDef) -> None:
    graph.library.function[0].signature.attr.add(name="T", type="type")


def _with_a_meaning(graph: GraphDef) -> None:
    graph.library.function[0].attr["implements"].s = b"fused"


def _with_gradient(graph: GraphDef) -> None:
    graph.library.gradient.add(function_name=graph.library.function[0].signature.name, gradient_func="g")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_recursive, "calls itself"),
        (_polymorphic, "attribute 'T'"),
        (_with_a_meaning, "attribute 'implements'"),
        (_with_gradient, "gradient of its own"),
    ],
)
def test_what_it_would_not_keep_is_refused(change: Callable[[GraphDef], None], said: str) -> None:
    graph = _graph(lambda x: x * 2)
    change(graph)
    with pytest.raises(CanonicalError, match=said):
        _canonical(graph)


def _with_variable(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    def function(x: tf.Tensor) -> tf.Tensor:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name=name)
        with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=x)]):
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

    return function


def test_variables_of_two_functions_do_not_become_one() -> None:
    with pytest.raises(CanonicalError, match="variables or tables of their own"):
        _canonical(_graph(_with_variable("a"), _with_variable("b")))


def test_a_variable_of_two_functions_stays_one() -> None:
    canonical = _canonical(_graph(_with_variable("a"), _with_variable("a")))
    names = {n.attr["shared_name"].s for f in canonical.library.function for n in f.node_def if n.op == "VarHandleOp"}
    assert names == {b"rf0"}


def test_how_a_service_would_split_a_dataset_is_dropped() -> None:
    @tf.function
    def numbered(values: tf.Tensor) -> tf.Tensor:
        dataset = tf.data.Dataset.from_tensor_slices(values)
        return dataset.enumerate().reduce(tf.constant(0, tf.int64), lambda total, pair: total + pair[0] * pair[1])

    traced = numbered.get_concrete_function(tf.TensorSpec([3], tf.int64)).graph.as_graph_def()
    operations = {node.op for node in traced.node}
    assert "RewriteDataset" in operations  # TensorFlow adds it
    [fetch] = [node.name for node in traced.node if node.op == "Identity"][-1:]
    found = canonical_graph(traced, ["values:0"], [f"{fetch}:0"])
    left = {node.op for node in found.graph_def.node}
    assert left == operations - {"RewriteDataset"}
