"""Writes scikit-learn's breast cancer data as the files of four clinics: `python examples/breast-cancer/prepare.py`.

As with real silos, the files differ: clinic-b has Parquet files, clinic-c has its columns in another order, and one row
of clinic-d has a note instead of a number. The script always writes the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.datasets import load_breast_cancer

SHARES = {"clinic-a": 0.4, "clinic-b": 0.25, "clinic-c": 0.2, "clinic-d": 0.15}
PARQUET = "clinic-b"
REORDERED = "clinic-c"
MALFORMED = "clinic-d"
BAD_ROW, BAD_COLUMN, NOTE = 17, "mean_area", "see report"
TEST_EVERY = 5
LABEL = "malignant"

# The typical value and the spread of each measurement, for standardisation. The silos agree on these constants, so that
# no silo reveals statistics of its patients.
MEASUREMENTS = {
    "mean_radius": (14, 3.5),
    "mean_texture": (19, 4.3),
    "mean_perimeter": (92, 24),
    "mean_area": (650, 350),
    "mean_smoothness": (0.096, 0.014),
    "mean_compactness": (0.1, 0.053),
    "mean_concavity": (0.089, 0.08),
    "mean_concave_points": (0.049, 0.039),
    "mean_symmetry": (0.18, 0.027),
    "mean_fractal_dimension": (0.063, 0.0071),
    "radius_error": (0.41, 0.28),
    "texture_error": (1.2, 0.55),
    "perimeter_error": (2.9, 2),
    "area_error": (40, 45),
    "smoothness_error": (0.007, 0.003),
    "compactness_error": (0.025, 0.018),
    "concavity_error": (0.032, 0.03),
    "concave_points_error": (0.012, 0.0062),
    "symmetry_error": (0.021, 0.0083),
    "fractal_dimension_error": (0.0038, 0.0026),
    "worst_radius": (16, 4.8),
    "worst_texture": (26, 6.1),
    "worst_perimeter": (110, 34),
    "worst_area": (880, 570),
    "worst_smoothness": (0.13, 0.023),
    "worst_compactness": (0.25, 0.16),
    "worst_concavity": (0.27, 0.21),
    "worst_concave_points": (0.11, 0.066),
    "worst_symmetry": (0.29, 0.062),
    "worst_fractal_dimension": (0.084, 0.018),
}


def shares() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Standardised features (float32 [n, 30]) and labels (int32 [n], 1 is malignant) of each clinic."""
    data = load_breast_cancer()
    typical, spread = np.array(list(MEASUREMENTS.values())).T
    features = ((data.data - typical) / spread).round(4).astype(np.float32)
    labels = (data.target == 0).astype(np.int32)
    order = np.random.default_rng(1993).permutation(len(labels))
    bounds = (np.cumsum(list(SHARES.values()))[:-1] * len(order)).astype(int)
    return {name: (features[rows], labels[rows]) for name, rows in zip(SHARES, np.split(order, bounds), strict=True)}


def table(features: np.ndarray, labels: np.ndarray) -> pa.Table:
    return pa.table({**{name: features[:, i] for i, name in enumerate(MEASUREMENTS)}, LABEL: labels})


def write(path: Path, rows: pa.Table) -> None:
    if path.suffix == ".csv":
        pa.csv.write_csv(rows, path)
    else:
        pa.parquet.write_table(rows, path)


def spoil(path: Path) -> None:
    """Replaces a number in a CSV file with a note."""
    lines = path.read_text().splitlines()
    cells = lines[BAD_ROW - 1].split(",")
    cells[[name.strip('"') for name in lines[0].split(",")].index(BAD_COLUMN)] = NOTE
    lines[BAD_ROW - 1] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder to write to")
    out: Path = parser.parse_args().out
    for name, (features, labels) in shares().items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        kind = "parquet" if name == PARQUET else "csv"
        test = np.arange(len(labels)) % TEST_EVERY == 0
        for part, chosen in (("train", ~test), ("test", test)):
            rows = table(features[chosen], labels[chosen])
            write(folder / f"{part}.{kind}", rows.select(rows.column_names[::-1]) if name == REORDERED else rows)
        if name == MALFORMED:
            spoil(folder / "train.csv")
        print(
            f"{name}: {(~test).sum():3d} training and {test.sum():2d} test rows ({kind}), {labels.mean():.0%} malignant"
        )


if __name__ == "__main__":
    main()
