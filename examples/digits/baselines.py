"""Compares the federated model with baselines: `python examples/digits/baselines.py [runs/digits]`.

Trains the model of `job.yaml` with plain Keras, for as many passes over the data as the federated run makes. One
baseline uses the pooled training rows of all silos. Each silo also has a baseline, which only uses its own rows. All
models are tested on the pooled test rows. With the folder of a run, the script also tests the federated model.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf
from prepare import shares, split

Rows = tuple[np.ndarray, np.ndarray]


def parameters() -> dict[str, Any]:
    job = yaml.safe_load(Path(__file__).with_name("job.yaml").read_text())
    found: dict[str, Any] = job["spec"]["program"]["parameters"]
    return found


def new_model(job: dict[str, Any]) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(job["seed"])
    keras = job["model"]["keras"]
    layers = [getattr(tf.keras.layers, kind)(**given) for layer in keras["layers"] for kind, given in layer.items()]
    return tf.keras.Sequential([tf.keras.Input(keras["input"]), *layers])


def compiled(model: tf.keras.Model, learning_rate: float) -> tf.keras.Model:
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.SGD(learning_rate), loss, metrics=["accuracy"])
    return model


def trained(job: dict[str, Any], rows: Rows) -> tf.keras.Model:
    client = job["client"]
    model = compiled(new_model(job), client["learningRate"])
    model.fit(*rows, batch_size=client["batchSize"], epochs=job["rounds"] * client["epochs"], verbose=0)
    return model


def accuracy(model: tf.keras.Model, rows: Rows) -> float:
    return float(model.evaluate(*rows, verbose=0)[1])


def pooled(parts: list[Rows]) -> Rows:
    features, labels = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run, such as runs/digits")
    run: Path | None = parser.parse_args().run
    job = parameters()
    parts = {name: split(silo) for name, silo in shares().items()}
    test = pooled([test for _, test in parts.values()])
    everything = pooled([train for train, _ in parts.values()])

    print(f"{'trained on':<34}{'rows':>6}  accuracy on the {len(test[1])} test rows of all silos")
    if run is not None:
        model = tf.keras.models.load_model(run / "result/model/model.keras", compile=False)
        federated = accuracy(compiled(model, 0.0), test)
        print(f"{'all silos, federated':<34}{len(everything[1]):>6}  {federated:.3f}")
    print(
        f"{'all silos, data in one place':<34}{len(everything[1]):>6}  {accuracy(trained(job, everything), test):.3f}"
    )
    for name, (train, _) in parts.items():
        print(f"{name + ' alone':<34}{len(train[1]):>6}  {accuracy(trained(job, train), test):.3f}")


if __name__ == "__main__":
    main()
