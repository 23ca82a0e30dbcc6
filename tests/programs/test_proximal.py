import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_coordinator.programs.proximal import ProximalOptimizer


def test_two_steps_match_the_paper():
    """Minimizes h(w) = f(w) + mu / 2 |w - w0|^2 by gradient descent, computed by hand."""
    rate, strength, start = 0.1, 0.5, np.array([1.0, -2.0], np.float32)
    first_gradient, second_gradient = np.array([3.0, 1.0], np.float32), np.array([-1.0, 2.0], np.float32)
    first = start - rate * first_gradient
    second = first - rate * (second_gradient + strength * (first - start))

    optimizer = ProximalOptimizer(tff.learning.optimizers.build_sgdm(rate), strength)
    state = optimizer.initialize((tf.TensorSpec([2], tf.float32),))
    state, weights = optimizer.next(state, (tf.constant(start),), (tf.constant(first_gradient),))
    np.testing.assert_allclose(weights[0], first, rtol=1e-6)
    _, weights = optimizer.next(state, weights, (tf.constant(second_gradient),))
    np.testing.assert_allclose(weights[0], second, rtol=1e-6)
