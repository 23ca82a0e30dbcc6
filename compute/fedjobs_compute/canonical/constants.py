"""The one form of a constant: equal elements are listed once, and others are written as bytes. Strings are listed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from fedjobs_verifier.dtypes import PLAIN
from tensorflow.core.framework.tensor_pb2 import TensorProto


def canonical_constant(source: TensorProto) -> TensorProto:
    """Returns the constant in its canonical form. Returns what is not plain data unchanged."""
    plain = PLAIN.get(source.dtype)
    if plain is None:
        return source
    shape = [dimension.size for dimension in source.tensor_shape.dim]
    count = int(np.prod(shape, dtype=np.int64))
    result = TensorProto(dtype=source.dtype)
    result.tensor_shape.SetInParent()
    for size in shape:
        result.tensor_shape.dim.add(size=size)
    if count == 0:
        return result
    if source.dtype == tf.string.as_datatype_enum:
        listed = list(source.string_val) or [b""]
        same = all(text == listed[0] for text in listed)
        result.string_val.extend(listed[:1] if same else [*listed, *listed[-1:] * (count - len(listed))])
        return result
    one = TensorProto(dtype=source.dtype)  # which has the elements that are written
    one.CopyFrom(source)
    listed = getattr(source, plain.values)
    if not source.tensor_content and len(listed) <= plain.parts:
        one.tensor_shape.Clear()
        elements = tf.make_ndarray(one).reshape([1])
    else:
        elements = tf.make_ndarray(one).reshape([-1])
    first = elements[:1].tobytes()
    if elements.tobytes() != first * len(elements) or _has_nan(elements[:1]):
        result.tensor_content = elements.tobytes() if len(elements) == count else first * count
        return result
    if plain.parts == 2:
        getattr(result, plain.values).extend([elements[0].real, elements[0].imag])
    elif plain.values == "half_val":
        result.half_val.append(int(elements[:1].view(np.uint16)[0]))
    else:
        getattr(result, plain.values).append(elements[0].item())
    return result


def _has_nan(elements: np.ndarray) -> bool:  # type: ignore[type-arg]
    """Returns whether an element that would be listed as floats is not a number. Not every reader keeps its bits."""
    return elements.dtype.kind in "fc" and elements.dtype.itemsize > 2 and bool(np.isnan(elements).any())
