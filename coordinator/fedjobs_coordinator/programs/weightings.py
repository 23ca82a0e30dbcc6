"""The weighted mean of the clients' updates, with a cap on a client's weight, and the number of clients."""

# mypy: allow-untyped-decorators
# TensorFlow's and TFF's decorators have no types.
from __future__ import annotations

from collections import OrderedDict
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff


class CountingMean(tff.aggregators.WeightedAggregationFactory):
    """A weighted mean that measures `clients`, and `left_out`, the clients with weight 0.

    TFF gives weight 0 to an update that is not finite. The measurement makes this visible.

    Args:
        cap: The maximum weight of a client. None for no maximum.
    """

    def __init__(self, cap: float | None = None) -> None:
        self._cap = cap

    def create(self, value_type: tff.Type, weight_type: tff.Type) -> tff.templates.AggregationProcess:
        mean = tff.aggregators.MeanFactory().create(value_type, weight_type)
        cap = self._cap

        @tff.tensorflow.computation(weight_type)
        def capped(weight: tf.Tensor) -> tf.Tensor:
            return weight if cap is None else tf.minimum(weight, tf.constant(cap, weight.dtype))

        @tff.tensorflow.computation(weight_type)
        def is_left_out(weight: tf.Tensor) -> tf.Tensor:
            return tf.cast(tf.equal(weight, 0), tf.int32)

        @tff.tensorflow.computation(weight_type)
        def one(weight: tf.Tensor) -> tf.Tensor:
            del weight
            return tf.constant(1, tf.int32)

        @tff.federated_computation(
            mean.initialize.type_signature.result,
            tff.FederatedType(value_type, tff.CLIENTS),
            tff.FederatedType(weight_type, tff.CLIENTS),
        )
        def aggregate(state: Any, value: Any, weight: Any) -> Any:
            output = mean.next(state, value, tff.federated_map(capped, weight))
            counts = OrderedDict(
                clients=tff.federated_sum(tff.federated_map(one, weight)),
                left_out=tff.federated_sum(tff.federated_map(is_left_out, weight)),
            )
            return tff.templates.MeasuredProcessOutput(output.state, output.result, tff.federated_zip(counts))

        return tff.templates.AggregationProcess(mean.initialize, aggregate)
