"""Entry points of models for tests."""

import collections

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff


def keras_model():
    inputs = tf.keras.Input([4])
    hidden = tf.keras.layers.Dense(8, activation="relu")(inputs)
    hidden = tf.keras.layers.Dropout(0.5)(hidden)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3, activation="softmax")(hidden))


def branches():
    """Returns a model whose layers are created in another order than they are listed."""
    inputs = {"a": tf.keras.Input([2], name="a"), "b": tf.keras.Input([3], name="b")}
    last = tf.keras.layers.Dense(3, name="last")
    right = tf.keras.layers.Dense(5, name="right")(inputs["b"])
    left = tf.keras.layers.Dense(4, name="left")(inputs["a"])
    return tf.keras.Model(inputs, last(tf.keras.layers.Concatenate()([left, right])))


def noisy():
    return tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.GaussianNoise(1.0), tf.keras.layers.Dense(3)])


def normalized():
    return tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.BatchNormalization(), tf.keras.layers.Dense(3)])


def unbuilt():
    return tf.keras.Sequential([tf.keras.layers.Dense(3)])


def functional(seed):
    random = np.random.default_rng(seed)
    start = ((random.normal(size=(4, 3)).astype(np.float32), np.zeros(3, np.float32)), ())

    @tf.function
    def predict(weights, x, training=True):
        (kernel, bias), _ = weights
        return x @ kernel + bias

    def loss(output, label, sample_weight=None):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, output))

    metrics = collections.OrderedDict(accuracy=tf.keras.metrics.SparseCategoricalAccuracy)
    return tff.learning.models.FunctionalModel(
        initial_weights=start,
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=tff.learning.metrics.create_functional_metric_fns(metrics),
        input_spec=(tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.int32)),
    )


def failing():
    raise RuntimeError("no luck")


def number():
    return 3
