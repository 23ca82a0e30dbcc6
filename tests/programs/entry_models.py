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
    """Returns a model with a layer that draws from state in the process, as layers of one's own often do."""

    class Noise(tf.keras.layers.Layer):
        def call(self, inputs):
            return inputs + tf.random.normal(tf.shape(inputs))

    return tf.keras.Sequential([tf.keras.Input([4]), Noise(name="noise"), tf.keras.layers.Dense(3)])


def normalized():
    inner = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.BatchNormalization(name="inner_bn")], name="base")
    return tf.keras.Sequential([tf.keras.Input([4]), inner, tf.keras.layers.Dense(3)])


def half_precision():
    layer = tf.keras.layers.Dense(4, dtype="mixed_float16", name="half")
    return tf.keras.Sequential([tf.keras.Input([4]), layer, tf.keras.layers.Dense(3, dtype="float32")])


def counting():
    class Counter(tf.keras.layers.Layer):
        def build(self, shape):
            self.count = self.add_weight("count", [], trainable=False)

        def call(self, inputs):
            self.count.assign_add(1.0)
            return inputs

    return tf.keras.Sequential([tf.keras.Input([4]), Counter(name="counter"), tf.keras.layers.Dense(3)])


def strings():
    color = tf.keras.Input([1], dtype="string", name="x")
    known = tf.keras.layers.StringLookup(vocabulary=["red", "green"], name="lookup")(color)
    embedded = tf.keras.layers.Embedding(3, 2)(known)
    return tf.keras.Model(color, tf.keras.layers.Dense(3)(tf.keras.layers.Flatten()(embedded)))


def own_training_step():
    class Model(tf.keras.Model):
        def train_step(self, data):
            raise NotImplementedError

    inputs = tf.keras.Input([4])
    return Model(inputs, tf.keras.layers.Dense(3)(inputs))


def frozen_base():
    """Returns a nested base that is not trained, with BatchNormalization, and a new head."""
    inner = tf.keras.Input([4])
    normalization = tf.keras.layers.BatchNormalization(
        moving_mean_initializer="ones", moving_variance_initializer=tf.keras.initializers.Constant(2.0)
    )
    image = tf.keras.layers.Conv2D(2, [1, 2], activation="relu")(tf.keras.layers.Reshape([2, 2, 1])(inner))
    base = tf.keras.Model(inner, tf.keras.layers.Flatten()(normalization(image)), name="base")
    base.trainable = False
    inputs = tf.keras.Input([4])
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3, name="head")(base(inputs)))


def penalized():
    """Returns a model with regularizers, constraints, `add_loss` and a layer that is used twice."""
    inputs = tf.keras.Input([4])
    shared = tf.keras.layers.Dense(
        4,
        kernel_regularizer=tf.keras.regularizers.L1L2(0.01, 0.02),
        kernel_constraint=tf.keras.constraints.MaxNorm(0.9),
    )
    hidden = tf.keras.layers.Dense(4, activation="relu", activity_regularizer=tf.keras.regularizers.L2(0.03))(
        shared(shared(inputs))
    )
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(3, bias_constraint="non_neg")(hidden))
    model.add_loss(0.05 * tf.reduce_mean(tf.square(hidden)))
    return model


def built_before():
    """Returns a model with layers whose variables existed before they were called in it."""
    normalization = tf.keras.layers.Normalization(name="normalization")
    normalization.adapt(np.array([[0, 10, 0, 1], [2, 30, 4, 3]], np.float32))
    pretrained = tf.keras.layers.Dense(4, name="pretrained")
    pretrained.build([None, 4])
    pretrained.set_weights([np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])
    inputs = tf.keras.Input([4])
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3, name="head")(pretrained(normalization(inputs))))


def brain_float():
    layer = tf.keras.layers.Dense(4, dtype="mixed_bfloat16")
    return tf.keras.Sequential([tf.keras.Input([4]), layer, tf.keras.layers.Dense(3, dtype="float32")])


def augmented():
    """Returns a model with layers that draw random numbers in training only."""
    layers = tf.keras.layers
    inner = tf.keras.Sequential([tf.keras.Input([4]), layers.Dense(4), layers.Dropout(0.5)], name="inner")
    flipped = [layers.Reshape([2, 2, 1]), layers.RandomFlip("horizontal"), layers.Flatten()]
    return tf.keras.Sequential([tf.keras.Input([4]), *flipped, layers.GaussianNoise(0.1), inner, layers.Dense(3)])


def unwritable():
    class Layer(tf.keras.layers.Layer):
        def get_config(self):
            raise NotImplementedError("it has no configuration")

    return tf.keras.Sequential([tf.keras.Input([4]), Layer(), tf.keras.layers.Dense(3)])


def random_functional():
    model = functional(1)

    @tf.function
    def predict(weights, x, training=True):
        return model.predict_on_batch(weights, x + tf.random.uniform([4], name="jitter"), training)

    return tff.learning.models.FunctionalModel(
        initial_weights=model.initial_weights,
        predict_on_batch_fn=predict,
        loss_fn=model.loss,
        input_spec=model.input_spec,
    )


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
