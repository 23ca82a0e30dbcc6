"""What is not in the grammar is refused, with its place and a remedy."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import limits, verify

from tests.verifier.forging import GraphDef, bodies, forged, honest, nodes_with
from tests.worker.shard_builders import sequence, shard, tensor


def _first(graph: GraphDef, op: str) -> Any:
    return next(node for body in bodies(graph) for node in body if node.op == op)


def _on(op: str, change: Callable[[Any], object]) -> Callable[[GraphDef], None]:
    def changed(graph: GraphDef) -> None:
        change(_first(graph, op))

    return changed


def _tensor(change: Callable[[Any], object]) -> Callable[[GraphDef], None]:
    return _on("Const", lambda node: change(node.attr["value"].tensor))


def _cyclic(graph: GraphDef) -> None:
    node = next(n for n in graph.node if n.op == "StatelessWhile")
    node.input[0] = graph.node[-1].name


def _recursive(graph: GraphDef) -> None:
    for function in graph.library.function:
        for node in function.node_def:
            if node.op == "PartitionedCall":
                node.attr["f"].func.name = function.signature.name


def _resource(tensor: Any) -> None:
    tensor.dtype = 20
    tensor.ClearField("int_val")
    tensor.resource_handle_val.add(name="r0", container="localhost")


def _variant(tensor: Any) -> None:
    tensor.dtype = 21
    tensor.ClearField("int_val")
    tensor.variant_val.add(type_name="tensorflow::TensorList", metadata=b"\xff\xff\xff")


CASES: dict[str, tuple[Callable[[GraphDef], None], str]] = {
    "lowering": (_on("StatelessWhile", lambda n: n.attr["_lower_using_switch_merge"].__setattr__("b", True)), "begin with _"),
    "compiling": (_on("StatelessWhile", lambda n: n.attr["_XlaMustCompile"].__setattr__("b", True)), "begin with _"),
    "gradient": (_on("Cast", lambda n: n.attr["_gradient_op_type"].__setattr__("s", b"ReadFile")), "begin with _"),
    "device": (_on("Cast", lambda n: setattr(n, "device", "/job:worker/task:1")), "device"),
    "configuration": (
        _on("PartitionedCall", lambda n: n.attr["config_proto"].__setattr__("s", b"\x52\x00")), "must be the planner's"),
    "no configuration": (_on("PartitionedCall", lambda n: n.attr["config_proto"].__setattr__("s", b"")), "must be the planner's"),
    "text of an error": (_on("Cast", lambda n: (setattr(n, "op", "CheckNumerics"), n.attr["message"].__setattr__("s", b"x"))), "no such attribute|must be empty"),
    "truth values of other bytes": (
        _tensor(lambda t: (t.Clear(), setattr(t, "dtype", 10), t.tensor_shape.SetInParent(), setattr(t, "tensor_content", b"\x02"))), "values other than 0 and 1"),
    "executor": (
        _on("PartitionedCall", lambda n: n.attr["executor_type"].__setattr__("s", b"SINGLE_THREADED_EXECUTOR")), "empty"),
    "unknown attribute": (_on("Cast", lambda n: n.attr["fast"].__setattr__("b", True)), "no such attribute"),
    "missing attribute": (_on("Cast", lambda n: n.attr.pop("DstT")), "DstT"),
    "wrong kind": (_on("Cast", lambda n: n.attr["Truncate"].__setattr__("i", 1)), "kind"),
    "wrong type": (_on("AddV2", lambda n: n.attr["T"].__setattr__("type", 10)), "data type bool"),
    "no value": (_on("Cast", lambda n: n.attr["Truncate"].ClearField("b")), "kind"),
    "too few inputs": (_on("AddV2", lambda n: n.input.pop()), "inputs"),
    "too many inputs": (_on("Cast", lambda n: n.input.append(n.input[0])), "2 inputs instead of 1"),
    "input of another type": (_on("StatelessWhile", lambda n: n.input.reverse()), "data type"),
    "input that is not there": (_on("Cast", lambda n: n.input.__setitem__(0, "n999")), "no tensor before it"),
    "output that is not there": (_on("Cast", lambda n: n.input.__setitem__(0, n.input[0] + ":7")), "no tensor before it"),
    "cycle": (_cyclic, "no tensor before it"),
    "recursion": (_recursive, "digest of its content|calls itself|not in the library"),
    "branches that take other values": (
        _on("StatelessWhile", lambda n: n.attr["body"].func.CopyFrom(n.attr["cond"].func)), "other inputs or outputs"),
    "attributes of a function's name": (
        _on("StatelessWhile", lambda n: n.attr["body"].func.attr["T"].__setattr__("type", 1)), "does not know, in"),
    "no such operation": (_on("Cast", lambda n: setattr(n, "op", "cast\n")), "not the name of an operation"),
    "a function as operation": (
        lambda g: _first(g, "Cast").__setattr__("op", g.library.function[0].signature.name), "not the name of an operation"),
    "node's name": (_on("Cast", lambda n: setattr(n, "name", "../x")), "its name is not"),
    "later version": (lambda g: g.versions.__setattr__("producer", 1396), "version 1396"),
    "consumers": (lambda g: g.versions.bad_consumers.append(1395), "does not know, in"),
    "old version": (lambda g: g.__setattr__("version", 5), "does not know, in"),
    "debug information": (lambda g: _first(g, "Cast").experimental_debug_info.original_node_names.append("x"), "does not know"),
    "full type": (lambda g: _first(g, "Cast").experimental_type.__setattr__("type_id", 1), "does not know"),
    "gradients": (lambda g: g.library.gradient.add(function_name="f", gradient_func="g"), "does not know"),
    "attribute of a function": (
        lambda g: g.library.function[0].attr["_XlaMustCompile"].__setattr__("b", True), "does not know|digest"),
    "attribute of an argument": (
        lambda g: g.library.function[0].arg_attr[0].attr["_resource_arg_unique_id"].__setattr__("i", 1), "does not know|digest"),
    "polymorphic function": (
        lambda g: g.library.function[0].signature.attr.add(name="T", type="type"), "does not know|digest"),
    "function that is not called": (lambda g: _drop_calls(g), "never called"),
    "node that is not used": (lambda g: _add_unused(g), "nothing uses"),
    "resource": (_tensor(_resource), "resource"),
    "variant": (_tensor(_variant), "variant"),
    "float8": (_tensor(lambda t: setattr(t, "dtype", 24)), "24"),
    "reference": (_tensor(lambda t: setattr(t, "dtype", 101)), "101"),
    "negative size": (_tensor(lambda t: t.tensor_shape.dim.add(size=-5)), "shape"),
    "constant without rank": (_tensor(lambda t: t.tensor_shape.__setattr__("unknown_rank", True)), "shape"),
    "constant of a petabyte": (_tensor(lambda t: t.tensor_shape.dim.add(size=1 << 48)), "shape|bytes"),
    "constant of a terabyte": (_tensor(lambda t: t.tensor_shape.dim.add(size=1 << 38)), f"{limits.CONSTANT_BYTES} bytes"),
    "too many elements": (_tensor(lambda t: (t.int_val.extend([1] * 9), t.float_val.extend([1] * 9))), "elements|values"),
    "too few bytes": (_tensor(lambda t: (t.ClearField("int_val"), setattr(t, "tensor_content", b"\x01"))), "bytes"),
    "elements of another type": (_tensor(lambda t: t.string_val.append(b"x")), "elements in|elements"),
}  # fmt: skip


def _drop_calls(graph: GraphDef) -> None:
    node = next(n for n in graph.node if n.op in ("StatelessIf", "If"))
    node.attr["else_branch"].func.CopyFrom(node.attr["then_branch"].func)


def _add_unused(graph: GraphDef) -> None:
    added = graph.node.add()
    added.CopyFrom(next(n for n in graph.node if n.op == "Const"))
    count = sum(n.op != "Placeholder" for n in graph.node) - 1
    added.name = f"n{count}"


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name: str) -> None:
    change, said = CASES[name]
    with pytest.raises(FedjobsError, match=said) as caught:
        verify(forged(honest(), change))
    assert caught.value.code is ErrorCode.SHARD_REFUSED
    assert caught.value.remedy
    assert "program work, segment 0" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 600


def test_the_place_is_named_down_to_the_attribute() -> None:
    def change(graph: GraphDef) -> None:
        for node in nodes_with(graph, "then_branch"):
            node.attr["then_branch"].func.name = "Read\x1b[31mFile"

    with pytest.raises(FedjobsError) as caught:
        verify(forged(honest(), change))
    for part in ("program work", "segment 0", "function 'f_", "node 'n", "(StatelessIf)", "attribute 'then_branch'"):
        assert part in caught.value.message
    assert "'Read?[31mFile' is not in the library" in caught.value.message


def test_calls_that_would_grow_without_end_are_refused() -> None:
    def change(graph: GraphDef) -> None:
        call = next(n for body in bodies(graph) for n in body if n.op == "PartitionedCall")
        leaf = graph.library.function.add()
        leaf.signature.name = "f_0"
        leaf.signature.input_arg.add(name="a0", type=1)
        leaf.signature.output_arg.add(name="o0", type=1)
        leaf.ret["o0"] = "a0"
        for level in range(1, 40):
            function = graph.library.function.add()
            function.CopyFrom(leaf)
            function.signature.name = f"f_{level}"
            for number, source in enumerate(("a0", "n0:output:0")):
                node = function.node_def.add()
                node.CopyFrom(call)
                node.name = f"n{number}"
                del node.input[:]
                node.input.append(source)
                node.attr["f"].func.name = f"f_{level - 1}"
            function.ret["o0"] = "n1:output:0"
        for node in graph.node:
            if node.op == "PartitionedCall":
                node.attr["f"].func.name = "f_39"
                return
        for function in graph.library.function:
            for node in function.node_def:
                if node.op == "PartitionedCall" and not function.signature.name[2:].isdecimal():
                    node.attr["f"].func.name = "f_39"

    with pytest.raises(FedjobsError, match="expand to"):
        verify(forged(honest(), change))


def _shard(change: Callable[[shard_pb2.Shard], object]) -> bytes:
    message = shard_pb2.Shard.FromString(honest())
    change(message)
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.work.segments[0].feeds.__setitem__(0, "n0:0"), "is not an input"),
        (lambda s: s.work.segments[0].fetches.__setitem__(0, "n9999:0"), "is not a tensor"),
        (lambda s: s.work.segments[0].inputs.__setitem__(0, 77), "no value 77"),
        (lambda s: s.work.segments[0].inputs.reverse(), "another data type"),
        (lambda s: s.work.segments[0].output_types[0].tensor.__setattr__("dtype", "string"), "declared"),
        (lambda s: s.work.segments[0].output_types[0].tensor.__setattr__("dtype", "resource"), "resource"),
        (lambda s: s.work.segments[0].__setattr__("initialize_op", "n9999"), "not a node"),
        (lambda s: s.work.segments[0].__setattr__("session_token_tensor", "n0:0"), "is not an input"),
        (lambda s: s.work.outputs.__setitem__(0, 99), "no value 99"),
        (lambda s: s.work.__setattr__("inputs", 5), "5 inputs"),
        (lambda s: s.accumulators.add(tensor=shard_pb2.Tensor(dtype="float32")), "outputs for 2"),
        (lambda s: s.client_inputs[0].sequence.components[0].__setattr__("name", "x" * 1000), "1000 characters"),
        (lambda s: s.accumulators[0].__setattr__("name", "update"), "leaf 0, it has the name 'update'"),
        (lambda s: s.client_inputs[0].__setattr__("name", "data"), "leaf 0, it has the name 'data'"),
        (lambda s: s.work.segments[0].output_types[0].__setattr__("name", "x"), "leaf 0, it has the name 'x'"),
        (lambda s: s.accumulators[0].tensor.shape.append(-7), "shape"),
        (lambda s: s.accumulators[0].ClearField("tensor"), "no type"),
        (lambda s: s.work.segments.extend(s.work.segments[0] for _ in range(limits.SEGMENTS)), "257 segments"),
    ],
)
def test_programs_fit_together(change: Callable[[shard_pb2.Shard], object], said: str) -> None:
    with pytest.raises(FedjobsError, match=said):
        verify(_shard(change))


@pytest.mark.parametrize("added", [b"\xa2\x06\x02hi", b"\x08\x01"], ids=["an unknown field", "a field twice"])
def test_bytes_that_mean_the_same_are_refused(added: bytes) -> None:
    with pytest.raises(FedjobsError, match=r"unknown|canonically"):
        verify(honest() + added)


def test_a_shard_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BYTES", 1000)
    with pytest.raises(FedjobsError, match="bytes"):
        verify(honest())


@pytest.mark.parametrize(
    "limit",
    ["NODES", "FUNCTIONS", "DEPTH", "EXPANDED", "CONSTANT_BYTES", "ATTRIBUTES", "ENTRIES", "COMPONENTS", "MESSAGES"],
)
def test_everything_is_bounded(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, limit, 1)
    with pytest.raises(FedjobsError, match=r"\b1\b"):
        verify(honest())


def _over_examples(change: Callable[[Any], Any]) -> bytes:
    return shard([], [sequence(x=tensor("float32", 2), y=tensor("int32"))], lambda d: [change(d).reduce(0.0, _added)])


def _added(total: Any, example: Any) -> Any:
    return total + tf.reduce_sum(example[0])


@pytest.mark.parametrize("calls", [1, 64, tf.data.AUTOTUNE])
def test_datasets_run_a_few_calls_at_a_time(calls: int) -> None:
    parallel = _over_examples(lambda d: d.map(lambda x, y: (x * 2, y), num_parallel_calls=calls).prefetch(calls))
    assert {"ParallelMapDatasetV2", "PrefetchDataset"} <= verify(parallel).operations


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.map(lambda x, y: (x * 2, y), num_parallel_calls=3000),
        lambda d: d.prefetch(1 << 40),
        lambda d: d.map(lambda x, y: (x, y), num_parallel_calls=tf.random.uniform([], 1, 9, tf.int64)),
        lambda d: d.interleave(lambda x, y: tf.data.Dataset.from_tensors((x, y)), 5000, num_parallel_calls=2),
    ],
)
def test_datasets_do_not_run_very_many_calls_at_a_time(change: Callable[[Any], Any]) -> None:
    with pytest.raises(FedjobsError, match="Use a constant of at most 64"):
        verify(_over_examples(change))


@pytest.mark.parametrize("initialized", [True, False])
def test_uninitialized_memory_is_not_given_to_a_graph(initialized: bool) -> None:
    empty = shard([], [], lambda: [tf.raw_ops.Empty(shape=[], dtype=tf.float32, init=initialized)])
    if initialized:
        assert "Empty" in verify(empty).operations
    else:
        with pytest.raises(FedjobsError, match="init is not True"):
            verify(empty)


def _fused(*, dtype: tf.DType = tf.float32, training: bool = True) -> tf.Tensor:
    ones = tf.ones([2])
    mean = tf.zeros([0 if training else 2])
    x = tf.ones([1, 2, 2, 2], dtype)
    return tf.raw_ops.FusedBatchNormV3(x=x, scale=ones, offset=ones, mean=mean, variance=mean, is_training=training)[1]


def _gathered(batch_dims: int) -> tf.Tensor:
    handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[2, 2], shared_name="v")
    indices = tf.constant([[0], [1]])
    return tf.raw_ops.ResourceGather(resource=handle, indices=indices, dtype=tf.float32, batch_dims=batch_dims)


def _set_item(*, resize: bool) -> tf.Tensor:
    items = tf.raw_ops.TensorListReserve(
        element_shape=tf.constant([], tf.int32), num_elements=2, element_dtype=tf.float32
    )
    items = tf.raw_ops.TensorListSetItem(input_handle=items, index=1, item=1.0, resize_if_index_out_of_bounds=resize)
    return tf.raw_ops.TensorListLength(input_handle=items)


def _blocks(operation: str, size: int) -> tf.Tensor:
    image = tf.raw_ops.PlaceholderWithDefault(input=tf.zeros([0, 0, 0, 0]), shape=None)
    return getattr(tf.raw_ops, operation)(input=image, block_size=size)


@pytest.mark.parametrize(
    ("legal", "hostile", "said"),
    [
        (lambda: _fused(), lambda: _fused(training=False), "is_training is not True"),
        (lambda: _fused(), lambda: _fused(dtype=tf.float16), "T is not float32"),
        (lambda: _gathered(0), lambda: _gathered(1), "batch_dims is not 0"),
        (lambda: _set_item(resize=False), lambda: _set_item(resize=True), "out_of_bounds is not False"),
        (lambda: _blocks("DepthToSpace", 4096), lambda: _blocks("DepthToSpace", 1 << 29), "block_size is 536870912"),
        (lambda: _blocks("SpaceToDepth", 4096), lambda: _blocks("SpaceToDepth", 4097), "block_size is 4097"),
    ],
)
def test_attributes_have_the_values_for_which_kernels_keep_to_their_tensors(
    legal: Callable[[], tf.Tensor], hostile: Callable[[], tf.Tensor], said: str
) -> None:
    verify(_of(legal))
    with pytest.raises(FedjobsError, match=said):
        verify(_of(hostile))


def _of(output: Callable[[], tf.Tensor]) -> bytes:
    return shard([], [], lambda: [tf.reduce_sum(tf.cast(output(), tf.float32))])


def test_an_attribute_cannot_be_left_out_even_if_it_is_the_default() -> None:
    def change(graph: GraphDef) -> None:
        _first(graph, "TensorListSetItem").attr.pop("resize_if_index_out_of_bounds", None)

    with pytest.raises(FedjobsError, match="resize_if_index_out_of_bounds is missing"):
        verify(forged(shard([], [], lambda: [tf.cast(_set_item(resize=False), tf.float32)]), change))


_RANDOM: dict[str, dict[str, Any]] = {
    "StatelessRandomNormalV2": {"shape": [2]},
    "StatelessRandomUniformV2": {"shape": [2]},
    "StatelessTruncatedNormalV2": {"shape": [2]},
    "StatelessRandomUniformIntV2": {"shape": [2], "minval": 0, "maxval": 9},
    "StatelessRandomUniformFullIntV2": {"shape": [2], "dtype": tf.int32},
    "StatelessRandomGammaV3": {"shape": [2], "alpha": [1.0, 1.0]},
    "StatelessShuffle": {"value": [1.0, 2.0]},
}


@pytest.mark.parametrize("operation", _RANDOM)
def test_random_numbers_take_key_and_counter_from_the_operation_that_makes_them(operation: str) -> None:
    def numbers(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[], tf.Tensor]:
        def output() -> tf.Tensor:
            key, counter = change(*tf.raw_ops.StatelessRandomGetKeyCounter(seed=[1, 2]))
            return getattr(tf.raw_ops, operation)(key=key, counter=counter, alg=1, **_RANDOM[operation])

        return output

    def short(tensor: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.PlaceholderWithDefault(input=tensor[:1], shape=None)

    verify(_of(numbers(lambda key, counter: (key, counter))))
    for name, change in {
        "counter": lambda key, counter: (key, short(counter)),
        "key": lambda key, _: (short(key), key),
    }.items():
        with pytest.raises(FedjobsError, match=f"its {name} does not come from StatelessRandomGetKeyCounter"):
            verify(_of(numbers(change)))
    swapped = numbers(lambda key, _: (key, tf.raw_ops.PlaceholderWithDefault(input=key, shape=None)))
    with pytest.raises(FedjobsError, match="its counter does not come from"):
        verify(_of(swapped))
