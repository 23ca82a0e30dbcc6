"""Plans the computation of `rounds`: python -m tests.plans.planning FILE

It is a separate process, because importing TensorFlow Federated takes long, and tests should not wait for it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

import fedjobs
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

EXAMPLES = tff.SequenceType(
    tff.to_type(OrderedDict(x=tff.TensorType(np.float32, [64]), y=tff.TensorType(np.int32)))  # as in examples/digits
)


@tff.tensorflow.computation(np.float32, EXAMPLES)
def _summed(factor: Any, examples: Any) -> Any:
    zero = OrderedDict(pixels=tf.zeros([64]), examples=tf.constant(0, tf.int64))

    def add(sums: Any, example: Any) -> Any:
        return OrderedDict(pixels=sums["pixels"] + example["x"] * factor, examples=sums["examples"] + 1)

    return examples.reduce(zero, add)


@tff.federated_computation(tff.FederatedType(np.float32, tff.SERVER), tff.FederatedType(EXAMPLES, tff.CLIENTS))
def pixels(factor: Any, examples: Any) -> Any:
    return tff.federated_sum(tff.federated_map(_summed, (tff.federated_broadcast(factor), examples)))


if __name__ == "__main__":
    fedjobs.save_plan(pixels, sys.argv[1])
