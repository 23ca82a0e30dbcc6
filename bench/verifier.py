"""How long the verifier takes for the shards of TFF's own library, and how large these are.

python -m bench.verifier
"""

from __future__ import annotations

import statistics
import time

import typer
from fedjobs_common.errors import FedjobsError
from fedjobs_compute.planner.planning import plan
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import graph_pb2, verify
from rich.console import Console
from rich.table import Table

from bench.planning import library

_REPEATS = 9


def nodes_of(serialized: bytes) -> int:
    """Returns the number of nodes of a shard, with those of its functions."""
    shard = shard_pb2.Shard.FromString(serialized)
    graphs = [
        graph_pb2.Graph.FromString(segment.graph_def)
        for program in (shard.zero, shard.work, shard.accumulate)
        for segment in program.segments
    ]
    return sum(len(g.node) + sum(len(f.node_def) for f in g.library.function) for g in graphs)


def milliseconds(serialized: bytes) -> tuple[float, float]:
    """Returns the median times of verifying a shard: of the clock, and of the CPU."""
    clock, cpu = [], []
    for _ in range(_REPEATS):
        before, used = time.perf_counter(), time.process_time()
        verify(serialized)
        cpu.append(time.process_time() - used)
        clock.append(time.perf_counter() - before)
    return statistics.median(clock) * 1000, statistics.median(cpu) * 1000


def main() -> None:
    """Print how long the verifier takes. A silo verifies each shard once."""
    table = Table("computation", "shard", "nodes", "median", "median of the CPU")
    for name, computation in library():
        try:
            stages = plan(computation).stages
        except FedjobsError:
            continue  # not planned, see bench.planning
        for stage in stages:
            clock, cpu = milliseconds(stage.shard)
            size = f"{len(stage.shard) / 1024:.0f} KiB"
            table.add_row(name, size, str(nodes_of(stage.shard)), f"{clock:.0f} ms", f"{cpu:.0f} ms")
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
