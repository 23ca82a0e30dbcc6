"""Writes made-up blood pressures as the files of three clinics: `python examples/custom/prepare.py`.

Each patient has some measurements. The script always writes the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

PATIENTS = {"clinic-a": 12, "clinic-b": 7, "clinic-c": 9}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="the folder of the files")
    out: Path = parser.parse_args().out
    generator = np.random.default_rng(11)
    for clinic, patients in PATIENTS.items():
        lines = ["patient,pressure"]
        for patient in range(patients):
            usual = generator.normal(122, 9)
            lines += [f"{patient},{usual + generator.normal(0, 4):.1f}" for _ in range(generator.integers(2, 6))]
        folder = out / clinic
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pressures.csv").write_text("\n".join(lines) + "\n")
    print(f"wrote the files of {len(PATIENTS)} clinics to {out}")


if __name__ == "__main__":
    main()
