"""What is planned passes, and comes out as the same bytes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.canonical.constants import canonical_constant
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import OperationRefusedError, graph_pb2, verify, verify_for_some_silo
from fedjobs_verifier.constants import elements_of, integers_of

from tests.verifier.forging import GraphDef, forged, honest
from tests.worker.shard_builders import shard


def test_a_planned_shard_comes_out_as_it_came() -> None:
    verified = verify(honest())
    assert verified.serialized == honest()
    assert verified.message == shard_pb2.Shard.FromString(honest())


def test_operations_are_those_of_the_graph_and_of_its_functions() -> None:
    assert verify(honest()).operations >= {
        "MapDataset",
        "ReduceDataset",
        "StatelessWhile",
        "StatelessIf",
        "Mul",
        "Cast",
        "Sub",
    }
    assert not any(name.startswith("f_") for name in verify(honest()).operations)


def test_it_needs_no_tensorflow() -> None:
    program = (
        "import sys\n"
        "import fedjobs_verifier as v\n"
        "v.verify(sys.stdin.buffer.read())\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'numpy', 'keras')))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=honest(), capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def _unknown(graph: GraphDef) -> None:
    next(node for node in graph.node if node.op == "ReduceDataset").op = "Erfinv2"


def test_an_operation_that_is_not_allowed_is_refused_with_all_operations() -> None:
    with pytest.raises(OperationRefusedError) as caught:
        verify(forged(honest(), _unknown))
    assert caught.value.code is ErrorCode.SHARD_REFUSED
    assert "Erfinv2" in caught.value.message
    assert {"Erfinv2", "StatelessWhile", "Sub"} <= caught.value.operations
    assert "policy.computations.operations.allow" in caught.value.remedy


def test_an_operation_that_a_silo_allows_passes_with_attributes_of_any_name() -> None:
    def change(graph: GraphDef) -> None:
        for node in graph.node:
            if node.op == "ReduceDataset":
                node.op = "Erfinv2"
                node.attr["patience"].i = 3
                return

    changed = forged(honest(), change)
    assert "Erfinv2" in verify(changed, ["Erfinv2"]).operations
    assert verify_for_some_silo(changed).serialized == changed


@pytest.mark.parametrize(
    ("attribute", "said"),
    [("_XlaMustCompile", "begin with _"), ("f", "not in the library"), ("value", "variant"), ("container", "empty")],
)
def test_of_an_operation_that_a_silo_allows_the_rest_is_checked_all_the_same(attribute: str, said: str) -> None:
    def change(graph: GraphDef) -> None:
        for node in graph.node:
            if node.op == "ReduceDataset":
                node.op = "Erfinv2"
                value = node.attr[attribute]
                if attribute == "f":
                    value.func.name = "ReadFile"
                elif attribute == "value":
                    value.tensor.dtype = 21
                    value.tensor.tensor_shape.SetInParent()
                elif attribute == "container":
                    value.s = b"elsewhere"
                else:
                    value.b = True
                return

    with pytest.raises(FedjobsError, match=said):
        verify(forged(honest(), change), ["Erfinv2"])


def test_bytes_that_are_not_a_shard_are_refused() -> None:
    with pytest.raises(FedjobsError) as caught:
        verify(b"\xff\xff nonsense")
    assert caught.value.code is ErrorCode.SHARD_REFUSED


def test_another_format_is_refused_and_both_are_named() -> None:
    with pytest.raises(FedjobsError, match=r"format 9.*\[1\]") as caught:
        verify(shard_pb2.Shard(format=9).SerializeToString())
    assert caught.value.code is ErrorCode.VERSION_MISMATCH


def test_constants_of_every_type_pass() -> None:
    def work() -> list[tf.Tensor]:
        values = [float("nan"), float("-inf"), 1.5]
        plain = [tf.constant(values, dtype) for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64)]
        integers = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.uint32, tf.int64, tf.uint64)
        whole = [tf.constant([0, 1, 100], dtype) for dtype in integers]
        others = [tf.constant([1 + 2j, 0], tf.complex64), tf.constant([1j], tf.complex128), tf.constant([True, False])]
        strings = [tf.constant(["a", "", "b\x00"]), tf.constant("x", shape=[4]), tf.zeros([0, 3]), tf.zeros([1000])]
        sizes = [tf.size(value) for value in (*plain, *whole, *others, *strings)]
        return [tf.cast(tf.add_n(sizes), tf.float32)]

    constants = shard([], [], work)
    assert verify(constants).serialized == constants


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float32", [1.5, -2.0, 0.0]),
        ("float16", [0.5, 0.5]),
        ("float16", [0.5, 2.0]),
        ("bfloat16", [-3.0, 0.25]),
        ("bfloat16", [8.0]),
        ("complex64", [1 + 2j, 1 + 2j]),
        ("complex128", [1j, 2.0]),
        ("int64", [2**40, -1]),
        ("uint8", [255, 255, 255]),
        ("bool", [True, False]),
        ("string", [b"a", b"a", b"b"]),
        ("string", [b"a", b"a"]),
        ("int32", []),
    ],
)
def test_the_elements_of_a_constant_are_those_of_tensorflow(dtype: str, values: list[Any]) -> None:
    tensor = canonical_constant(tf.make_tensor_proto(tf.constant(values, dtype)))
    read = graph_pb2.Tensor.FromString(tensor.SerializeToString())
    assert elements_of(read, 100) == values
    assert elements_of(read, 1) == values[:1]
    assert tf.make_ndarray(tensor).tolist() == values
    integers = tuple(values) if dtype in ("int32", "int64") else None
    assert integers_of(read, len(values)) == integers
    assert integers_of(read, len(values) - 1) is None
