"""How much patients differ: the mean of their means, and the standard deviation around it, as one computation.

The deviations need the mean over all clinics. So the computation has two exchanges with each clinic. A clinic keeps the
means of its patients between the exchanges, and sends sums only.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

ROWS = tff.SequenceType(OrderedDict(x=tff.TensorType(np.float32, [1])))


@tff.tensorflow.computation(ROWS)
def mean_of_patient(rows: Any) -> Any:
    """Returns the mean of one patient's measurements."""

    def add(sums: Any, batch: Any) -> Any:
        return sums[0] + tf.reduce_sum(batch["x"]), sums[1] + tf.cast(tf.shape(batch["x"])[0], tf.float32)

    total, count = rows.batch(256).reduce((0.0, 0.0), add)
    return total / count


@tff.tensorflow.computation(np.float32, np.float32)
def squared_deviation(value: Any, mean: Any) -> Any:
    """Returns the square of the difference."""
    return (value - mean) ** 2


@tff.tensorflow.computation(np.float32)
def root(value: Any) -> Any:
    """Returns the square root."""
    return tf.sqrt(value)


@tff.federated_computation(tff.FederatedType(ROWS, tff.CLIENTS))
def spread(rows: Any) -> Any:
    """Returns the mean of the patients' means, and their standard deviation."""
    means = tff.federated_map(mean_of_patient, rows)
    mean = tff.federated_mean(means)
    deviations = tff.federated_map(squared_deviation, (means, tff.federated_broadcast(mean)))
    return mean, tff.federated_map(root, tff.federated_mean(deviations))


async def main(run: Any) -> None:
    """Runs the computation once."""
    mean, deviation = await run.run(spread, run.data(run.job.dataset).iterator().select_seeded(1))
    run.round_finished(1, {"mean": float(mean), "standardDeviation": float(deviation)})
    run.write_result({"program": "spread", "mean": float(mean), "standardDeviation": float(deviation)})
