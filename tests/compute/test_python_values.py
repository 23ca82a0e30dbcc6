from __future__ import annotations

import collections
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.planner.python_values import to_leaves
from fedjobs_compute.tensors import to_array, to_tensor
from fedjobs_protocol.transfers.values import SequenceValue, frame, unframe


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (2**40, np.int32, []),
        ([2**40, 1], np.int32, [2]),
        (3.7, np.int32, []),
        (float("nan"), np.int64, []),
        (0.5, np.bool_, []),
        (5, np.str_, []),
        ([[1, 2]], np.str_, [1, 2]),
    ],
)
def test_a_value_that_would_change_is_refused(value: Any, dtype: Any, shape: list[int]) -> None:
    with pytest.raises(FedjobsError, match="is not a value of type") as raised:
        to_leaves(value, tff.TensorType(dtype, shape))
    assert raised.value.code is ErrorCode.PROGRAM_FAILED


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(7, np.int32), (7, np.float32), (0.5, np.float32), (0.5, ml_dtypes.bfloat16), (True, np.int32)],
)
def test_a_python_number_gets_the_dtype_of_the_type(value: Any, dtype: Any) -> None:
    (leaf,) = to_leaves(value, tff.TensorType(dtype))
    assert isinstance(leaf, np.ndarray)
    assert (leaf.dtype, leaf.item()) == (np.dtype(dtype), value)


def test_a_string_keeps_trailing_zero_bytes() -> None:
    (sent,) = unframe(frame([to_array(tf.constant(b"ab\0"))]).tobytes())
    assert isinstance(sent, np.ndarray)
    assert sent.item() == b"ab\0"
    assert to_tensor(sent).numpy() == b"ab\0"


def test_strings_in_a_dataset_keep_trailing_zero_bytes() -> None:
    dataset = tf.data.Dataset.from_tensor_slices([b"ab\0", b"c"])
    (leaf,) = to_leaves(dataset, tff.SequenceType(np.str_))
    for sequence in (leaf, to_array(dataset)):
        (sent,) = unframe(frame([sequence]).tobytes())
        assert isinstance(sent, SequenceValue)
        assert [element.numpy() for element in to_tensor(sent)] == [b"ab\0", b"c"]


ONE, TEN = np.float32([1]), np.float32([10])
EXAMPLES = tff.SequenceType(collections.OrderedDict(b=np.float32, a=np.float32))


def test_components_of_a_dataset_are_found_by_name() -> None:
    for components in ({"b": ONE, "a": TEN}, {"a": TEN, "b": ONE}):
        (sequence,) = to_leaves(tf.data.Dataset.from_tensor_slices(components), EXAMPLES)
        assert isinstance(sequence, SequenceValue)
        assert sequence.components is not None
        assert [array.tolist() for array in sequence.components] == [[10], [1]]  # sorted by name


@pytest.mark.parametrize(
    ("components", "shown"),
    [
        ({"x": ONE, "y": TEN}, "<x=float32,y=float32>"),
        ({"a": TEN, "b": ONE, "c": ONE}, "<a=float32,b=float32,c=float32>"),
        ({"a": TEN}, "<a=float32>"),
        ({"a": TEN.astype(np.float64), "b": ONE}, "<a=float64,b=float32>"),
        ({"a": np.float32([[1]]), "b": ONE}, "<a=float32[1],b=float32>"),
        (ONE, "float32"),
    ],
)
def test_a_dataset_of_another_element_type_is_a_type_error_that_names_both(components: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        to_leaves(tf.data.Dataset.from_tensor_slices(components), EXAMPLES)
    assert shown in str(caught.value)
    assert "<b=float32,a=float32>*" in str(caught.value)
