"""Starts a coordinator many times while a silo joins, and reports whether any start hung.

    python -m bench.starts --starts 200 --load 2

Everything but TensorFlow Federated is real. A fast import replaces it, which is harder on other threads than the real
one (`tests/coordinator/starts.py`). `--real` uses the real one.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.coordinator.starts import Start, busy, start

console = Console()


def main(
    starts: Annotated[int, typer.Option(help="Number of starts.", min=1)] = 200,
    at_once: Annotated[int, typer.Option(help="Number of concurrent starts.", min=1)] = 4,
    load: Annotated[int, typer.Option(help="Number of busy loops in parallel.", min=0)] = 2,
    real: Annotated[bool, typer.Option("--real", help="Use the real TensorFlow Federated.")] = False,
) -> None:
    """Starts coordinators, and fails if one hangs or ends unexpectedly."""
    with tempfile.TemporaryDirectory(prefix="fedjobs-starts-") as folder:

        def one(number: int) -> tuple[Start, float]:
            own = Path(folder) / str(number)
            own.mkdir()
            began = time.monotonic()
            return start(own, real=real), time.monotonic() - began

        began = time.monotonic()
        with busy(load), ThreadPoolExecutor(at_once) as pool:
            ended = list(pool.map(one, range(starts)))
        took = time.monotonic() - began
    bad = [each for each, _ in ended if not each.went_well]
    seconds = sorted(each for _, each in ended)
    what = "the real TensorFlow Federated" if real else "a replacement for TensorFlow Federated"
    console.print(f"{starts} starts with {what}, {at_once} at the same time with {load} busy loops, in {took:.0f} s")
    console.print(f"hung: {sum(each.hung for each in bad)}; other failures: {sum(not each.hung for each in bad)}")
    console.print(f"seconds per start: median {statistics.median(seconds):.1f}, longest {seconds[-1]:.1f}")
    if bad:
        console.print(bad[0].problem or "The log of the first start that hung:", bad[0].log, markup=False)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
