"""Writes building blocks without placements into the default TensorFlow graph."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from tensorflow_federated.proto.v0 import computation_pb2
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb
from tensorflow_federated.python.core.impl.utils import tensorflow_utils
from tensorflow_federated.python.tensorflow_libs import graph_utils, serialization_utils

from fedjobs_compute.canonical import canonical_library
from fedjobs_compute.planner.leaves import tf_dtype

# A value during the construction of a graph: a tensor, a dataset, a Struct of values, or a function of one value.
Value = Any


class Emitter:
    """Writes building blocks into the default graph.

    Attributes:
        initializers: Operations that must run before the values are read.
        token: The session token tensor for imported computations.
    """

    def __init__(self, token: tf.Tensor) -> None:
        self.token = token
        self.initializers: list[Any] = []
        self._imports = 0

    def value(self, block: bb.ComputationBuildingBlock, environment: Mapping[str, Value]) -> Value:
        """Returns the value of a block. The environment has the values of its unbound references.

        Raises:
            FedjobsError: UNSUPPORTED_COMPUTATION for a block that has no TensorFlow form.
        """
        if isinstance(block, bb.Reference):
            return environment[block.name]
        if isinstance(block, bb.Selection):
            return self.value(block.source, environment)[block.as_index()]
        if isinstance(block, bb.Struct):
            elements = structure.iter_elements(block)
            return structure.Struct([(name, self.value(e, environment)) for name, e in elements])
        if isinstance(block, bb.Literal):
            type_ = block.type_signature
            return tf.constant(block.value, dtype=tf_dtype(type_), shape=type_.shape)
        if isinstance(block, bb.Block):
            inner = dict(environment)
            for name, local in block.locals:
                inner[name] = self.value(local, inner)
            return self.value(block.result, inner)
        if isinstance(block, bb.Lambda):
            return self._function(block, environment)
        if isinstance(block, bb.CompiledComputation):
            return lambda argument=None: self._import(block.proto, argument)
        if isinstance(block, bb.Call):
            return self._call(block, environment)
        raise _unsupported(f"{type(block).__name__} {block.compact_representation()[:80]!r} has no TensorFlow form")

    def _function(self, block: bb.Lambda, environment: Mapping[str, Value]) -> Callable[..., Value]:
        if block.parameter_name is None:
            return lambda: self.value(block.result, environment)
        return lambda argument: self.value(block.result, {**environment, block.parameter_name: argument})

    def _call(self, block: bb.Call, environment: Mapping[str, Value]) -> Value:
        if isinstance(block.function, bb.Intrinsic):
            return _sequence_intrinsic(self, block, environment)
        function = self.value(block.function, environment)
        return function() if block.argument is None else function(self.value(block.argument, environment))

    def _import(self, proto: computation_pb2.Computation, argument: Value) -> Value:
        """Imports a TensorFlow computation. Functions are named by content, resources by the number of the import."""
        if proto.WhichOneof("computation") != "tensorflow":
            raise _unsupported(
                f"a computation of kind {proto.WhichOneof('computation')!r} (such as JAX) has no TensorFlow graph"
            )
        self._imports += 1
        scope = f"import_{self._imports}"
        type_ = tff.types.deserialize_type(proto.type)
        source = proto.tensorflow
        graph_def = canonical_library(serialization_utils.unpack_graph_def(source.graph_def))
        _make_resources_private(graph_def, scope)
        feeds: dict[str, Value] = {}
        if type_.parameter is not None:
            _bind(source.parameter, argument, feeds)
        token = source.session_token_tensor_name
        if token:
            feeds[token] = self.token
        fetches = tensorflow_utils.extract_tensor_names_from_binding(source.result)
        initialize = [source.initialize_op] if source.initialize_op else []
        outputs = tf.graph_util.import_graph_def(
            graph_def, _usable_feeds(graph_def, feeds), fetches + initialize, name=scope
        )
        if initialize:
            self.initializers.append(outputs[-1])
        return _assemble(source.result, type_.result, dict(zip(fetches, outputs or [], strict=False)))


def _unsupported(what: str) -> FedjobsError:
    return FedjobsError(ErrorCode.UNSUPPORTED_COMPUTATION, f"{what}.", "See the table of computations in the docs.")


def _make_resources_private(graph_def: tf.compat.v1.GraphDef, scope: str) -> None:
    libraries = [f.node_def for f in graph_def.library.function]
    for nodes in [graph_def.node, *libraries]:
        for node in nodes:
            if "shared_name" in node.attr and (node.attr["shared_name"].s or node.op == "VarHandleOp"):
                name = node.attr["shared_name"].s or node.name.encode()
                node.attr["shared_name"].s = scope.encode() + b"/" + name


def _bind(binding: computation_pb2.TensorFlow.Binding, value: Value, feeds: dict[str, Value]) -> None:
    kind = binding.WhichOneof("binding")
    if kind == "tensor":
        feeds[binding.tensor.tensor_name] = value
    elif kind == "sequence":
        feeds[binding.sequence.variant_tensor_name] = tf.data.experimental.to_variant(value)
    elif kind == "struct":
        for element, part in zip(binding.struct.element, value, strict=True):
            _bind(element, part, feeds)


def _usable_feeds(graph_def: tf.compat.v1.GraphDef, feeds: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the feeds of tensors that the graph contains, including those that are only control inputs."""
    names = {node.name for node in graph_def.node}
    present = {name: value for name, value in feeds.items() if name.partition(":")[0] in names}
    graph = tf.compat.v1.get_default_graph()
    if hasattr(graph, "capture"):  # inside of a function, such as the body of a dataset's map
        present = {name: graph.capture(value) for name, value in present.items()}
    return dict(graph_utils.add_control_dep_mappings(present)) if present else {}


def _assemble(binding: computation_pb2.TensorFlow.Binding, type_: tff.Type, tensors: Mapping[str, Value]) -> Value:
    if isinstance(type_, tff.TensorType):
        tensor = tensors[binding.tensor.tensor_name]
        if type_.shape is not None:
            tensor.set_shape(type_.shape)
        return tensor
    if isinstance(type_, tff.SequenceType):
        variant = tensors[binding.sequence.variant_tensor_name]
        return tensorflow_utils._make_dataset_from_variant_tensor(variant, type_.element)
    elements = structure.iter_elements(type_)
    parts = zip(elements, binding.struct.element, strict=True)
    return structure.Struct([(name, _assemble(part, e, tensors)) for (name, e), part in parts])


# --- intrinsics on sequences, and federated_select without placement

SELECT = "select"  # an intrinsic of fedjobs: federated_select without its placement


def _sequence_intrinsic(emitter: Emitter, call: bb.Call, environment: Mapping[str, Value]) -> Value:
    uri, argument = call.function.uri, call.argument
    plain = tf.autograph.experimental.do_not_convert
    if uri == SELECT:
        keys, server_value, function = (emitter.value(argument[i], environment) for i in (0, 2, 3))
        type_ = argument[3].type_signature.result

        def select(key: tf.Tensor) -> Value:
            return _to_nest(function(structure.Struct([(None, server_value), (None, key)])), type_)

        return tf.data.Dataset.from_tensor_slices(keys).map(plain(select))
    if uri == "sequence_map":
        function, dataset = (emitter.value(argument[i], environment) for i in (0, 1))
        signature = argument[0].type_signature

        def mapped(*element: Value) -> Value:
            one = element[0] if len(element) == 1 else element
            return _to_nest(function(_from_nest(one, signature.parameter)), signature.result)

        return dataset.map(plain(mapped))
    if uri == "sequence_reduce":
        dataset, zero, function = (emitter.value(argument[i], environment) for i in (0, 1, 2))
        signature = argument[2].type_signature
        state_type, element_type = signature.parameter[0], signature.parameter[1]

        def reduced(state: Value, *element: Value) -> Value:
            one = element[0] if len(element) == 1 else element
            pair = [(None, _from_nest(state, state_type)), (None, _from_nest(one, element_type))]
            return _to_nest(function(structure.Struct(pair)), signature.result)

        return _from_nest(dataset.reduce(_to_nest(zero, state_type), plain(reduced)), signature.result)
    if uri == "sequence_sum":
        dataset = emitter.value(argument, environment)
        zero = tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), dataset.element_spec)
        total = dataset.reduce(zero, plain(lambda s, e: tf.nest.map_structure(tf.add, s, e)))
        return _from_nest(total, argument.type_signature.element)
    raise _unsupported(f"the intrinsic {uri!r} has no TensorFlow form")


def _to_nest(value: Value, type_: tff.Type) -> Value:
    """Converts a Struct to dictionaries and tuples for tf.data."""
    if not isinstance(type_, tff.StructType):
        return value
    elements = [(n, _to_nest(value[i], e)) for i, (n, e) in enumerate(structure.iter_elements(type_))]
    if elements and elements[0][0] is not None:
        return collections.OrderedDict(elements)
    return tuple(v for _, v in elements)


def _from_nest(value: Value, type_: tff.Type) -> Value:
    if not isinstance(type_, tff.StructType):
        return value
    elements = list(structure.iter_elements(type_))
    parts = [value[name] for name, _ in elements] if isinstance(value, Mapping) else list(value)
    return structure.Struct([(n, _from_nest(v, e)) for v, (n, e) in zip(parts, elements, strict=True)])
