"""Bounds of attributes and inputs that are stricter than TensorFlow's register of operations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

DEVICES = frozenset({"", "/device:CPU:0"})
"""The allowed devices. The planner places datasets on the CPU, because they exist only there."""

PRODUCER = 1395
"""The version of graphs of TensorFlow 2.14. It determines the defaults of attributes."""

_CONFIG_WITHOUT_REWRITING = (
    b"R\x05R\x03\x98\x01\x01"  # ConfigProto(graph_options.rewrite_options.disable_meta_optimizer=True)
)


@dataclass(frozen=True)
class Text:
    """What an attribute that is a string may be."""

    pattern: re.Pattern[bytes]
    words: str


_EMPTY = Text(re.compile(rb""), "must be empty")
TEXTS = {
    # The names of resources. The planner numbers them.
    "container": _EMPTY,
    "shared_name": Text(re.compile(rb"(rf?[0-9]{1,6})?"), "must be a number that the planner gave"),
    # How a function is run.
    "config": _EMPTY,
    "config_proto": Text(re.compile(re.escape(_CONFIG_WITHOUT_REWRITING)), "must be the planner's"),
    "executor_type": _EMPTY,
    # The text of an error, which does not leave the silo.
    "message": _EMPTY,
    # Serialized messages of tf.data, which would need a grammar of their own.
    "metadata": _EMPTY,
    "serialized_options": _EMPTY,
}

NO_ENTRIES = frozenset({"allowed_devices", "optimization_configs"})
"""Attributes that are lists of strings and must be empty."""

FREE_INTEGERS = frozenset({"seed", "seed2", "hash_key"})
"""Attributes that may be any 64-bit integer. Others must fit in 32 bits."""


@dataclass(frozen=True)
class Required:
    """The only safe value of an attribute.

    Attributes:
        value: The value.
        words: How a message names it.
    """

    value: Any
    words: str


_FLOAT32 = 1  # the number of the data type
REQUIRED_VALUES = {
    # Without it, Empty returns uninitialized memory.
    ("Empty", "init"): Required(True, "True"),
    # Otherwise the kernel does not write all of its outputs.
    ("FusedBatchNormV3", "T"): Required(_FLOAT32, "float32"),
    ("FusedBatchNormV3", "is_training"): Required(True, "True"),
    # Otherwise the kernel reads outside of the variable if the numbers of batches differ.
    ("ResourceGather", "batch_dims"): Required(0, "0"),
    # Otherwise the kernel does not write its second output.
    ("SelfAdjointEigV2", "compute_v"): Required(True, "True"),
    # Otherwise the kernel writes before the list if the index is negative.
    ("TensorListSetItem", "resize_if_index_out_of_bounds"): Required(False, "False"),
}
"""Attributes with only one safe value."""

HIGHEST = {("DepthToSpace", "block_size"): 4096, ("SpaceToDepth", "block_size"): 4096}
"""Upper limits of attributes. The square of a large block size is 0 in 32 bits, and the kernel divides by it."""

PARALLEL_INPUTS = {
    "ParallelBatchDataset": ("num_parallel_calls",),
    "ParallelFilterDataset": ("num_parallel_calls",),
    "ParallelInterleaveDatasetV4": ("cycle_length", "buffer_output_elements", "prefetch_input_elements",
                                    "num_parallel_calls"),
    "ParallelMapDatasetV2": ("num_parallel_calls",),
    "PrefetchDataset": ("buffer_size",),
}  # fmt: skip
"""Datasets that start threads, with the inputs that set the number of concurrent calls or buffered elements. These must
be constants of at most `limits.PARALLEL`."""

BUFFER_INPUTS = {
    "BatchDataset": ("batch_size",),
    "BatchDatasetV2": ("batch_size",),
    "DenseToSparseBatchDataset": ("batch_size",),
    "InterleaveDataset": ("cycle_length", "block_length"),
    "PaddedBatchDataset": ("batch_size",),
    "PaddedBatchDatasetV2": ("batch_size",),
    "ParallelBatchDataset": ("batch_size",),
    "ParallelInterleaveDatasetV4": ("block_length",),
    "ShuffleAndRepeatDataset": ("buffer_size",),
    "ShuffleAndRepeatDatasetV2": ("buffer_size",),
    "ShuffleDataset": ("buffer_size",),
    "ShuffleDatasetV2": ("buffer_size",),
    "ShuffleDatasetV3": ("buffer_size",),
    "SlidingWindowDataset": ("window_size", "window_shift", "window_stride"),
    "WindowDataset": ("size", "shift", "stride"),
}
"""Datasets that allocate memory for a number of elements, with the inputs that set it. TensorFlow aborts where there is
not enough memory. These inputs must be constants of at most `limits.BUFFERED`."""

SOURCES: dict[str, dict[str, tuple[tuple[str, int], ...]]] = {
    operation: {
        "key": (("StatelessRandomGetKeyCounter", 0), ("StatelessRandomGetKeyCounterAlg", 0)),
        "counter": (("StatelessRandomGetKeyCounter", 1), ("StatelessRandomGetKeyCounterAlg", 1)),
    }
    for operation in (
        "StatelessRandomGammaV3", "StatelessRandomNormalV2", "StatelessRandomUniformFullIntV2",
        "StatelessRandomUniformIntV2", "StatelessRandomUniformV2", "StatelessShuffle", "StatelessTruncatedNormalV2",
    )
}  # fmt: skip
"""Inputs that must come directly from an output of one of these operations, in the same graph or function. The kernels
of random numbers read two numbers of the counter, even if it has fewer."""

NOT_NEGATIVE = {"Transpose": "perm"}
"""Inputs whose numbers must be known not to be negative. The kernel of Transpose does not notice negative ones, and
writes outside of its output."""

NAMED_RESOURCES = frozenset({"VarHandleOp"})
"""Operations whose resource belongs to the whole process if it has no name. So they must have a name."""

CALLS = {
    "Case": (("branches",), "Tin", "Tout"),
    "If": (("then_branch", "else_branch"), "Tin", "Tout"),
    "PartitionedCall": (("f",), "Tin", "Tout"),
    "StatefulPartitionedCall": (("f",), "Tin", "Tout"),
    "StatelessCase": (("branches",), "Tin", "Tout"),
    "StatelessIf": (("then_branch", "else_branch"), "Tin", "Tout"),
    "StatelessWhile": (("body",), "T", "T"),
    "While": (("body",), "T", "T"),
}
"""Operations that pass their inputs to functions. For each: the attributes with the functions, and the attributes with
the data types of the functions' inputs and outputs."""

CONDITIONS = {"StatelessWhile": ("cond", "T"), "While": ("cond", "T")}
"""Operations that pass their inputs to a function with one output."""

INPUTS = frozenset({"Placeholder", "PlaceholderV2"})
"""Operations that stand for the inputs of a graph. A function has arguments."""
