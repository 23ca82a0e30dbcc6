"""Writes scikit-learn's handwritten digits as the files of four silos: `python examples/digits/prepare.py`.

As with real silos, the data are unevenly distributed: the silos have different sizes, and each has some digits far more
often than others. Two silos have CSV files and two have Parquet files. Each silo keeps a fifth of its rows as test
data. The script always writes the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.datasets import load_digits

SILOS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
PARQUET = ("hospital-c", "hospital-d")
SIZES = (0.45, 0.25, 0.18, 0.12)
"""The approximate shares of the silos."""
HOME_DIGITS = ((0, 1, 2), (3, 4), (5, 6, 7), (8, 9))
HOME_WEIGHT = 12.0
"""The weight of a silo for its home digits. Its weight for other digits is 1."""
TEST_EVERY = 5
COLUMNS = [f"p{i}" for i in range(64)]
LABEL = "digit"


def shares() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns the features (float32 [n, 64], from 0 to 1) and the labels (int32 [n]) of each silo."""
    digits = load_digits()
    features = (digits.data / 16).astype(np.float32)  # pixels are from 0 to 16
    labels = digits.target.astype(np.int32)
    random = np.random.default_rng(20240)
    owners = np.empty(len(labels), np.int64)
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        at_home = np.array([digit in home for home in HOME_DIGITS])
        weights = np.where(at_home, HOME_WEIGHT, 1) * SIZES
        owners[rows] = random.choice(len(SILOS), size=len(rows), p=weights / weights.sum())
    order = random.permutation(len(labels))
    parts = {name: order[owners[order] == number] for number, name in enumerate(SILOS)}
    return {name: (features[rows], labels[rows]) for name, rows in parts.items()}


def split(silo: tuple[np.ndarray, np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Splits a silo's rows into training and test rows."""
    features, labels = silo
    test = np.arange(len(labels)) % TEST_EVERY == 0
    return (features[~test], labels[~test]), (features[test], labels[test])


def write(path: Path, rows: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = rows
    table = pa.table({**{name: features[:, i] for i, name in enumerate(COLUMNS)}, LABEL: labels})
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder to write to")
    out: Path = parser.parse_args().out
    for name, silo in shares().items():
        kind = "parquet" if name in PARQUET else "csv"
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        train, test = split(silo)
        write(folder / f"train.{kind}", train)
        write(folder / f"test.{kind}", test)
        counts = np.bincount(silo[1], minlength=10)
        print(f"{name}: {len(train[1]):4d} training and {len(test[1]):3d} test rows ({kind}); of each digit {counts}")


if __name__ == "__main__":
    main()
