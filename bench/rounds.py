"""Measures a round of this system, the gRPC limit and TFF's stock runtime, in turn, in one run on one machine.

    python -m bench.rounds --payload 4KB,1MB,100MB --silos 2,4,8 --json out.json

Machines differ, and the speed of one machine varies from minute to minute. So only the ratios within one run are
meaningful. All parts run at the same time, idle between their turns, and take turns round by round.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.parts import Part, PartEndedError
from bench.payloads import Payload, parse
from bench.results import Row, row
from bench.tables import table

PARTS = ("limit", "system", "stock")
_SLOW_STOCK = 3  # turns of the stock runtime for large payloads, where each turn takes many seconds

console = Console()


def repeats_for(payload: Payload) -> int:
    """Returns the number of rounds that gives a stable median in about a minute."""
    if payload.size <= 64 * 1024:
        return 50
    return 15 if payload.size <= 16 * 1024**2 else 5


def measure(payload: Payload, silos: int, names: list[str], repeats: int) -> Row:
    """Measures the parts in turn. A part that ends early is null in the row, and its error is printed."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    memory: dict[str, float] = {}
    with ExitStack() as stack:
        alive = [stack.enter_context(Part(name, silos, payload.size)) for name in names]
        for turn in range(repeats + 1):
            for part in list(alive):
                if part.name == "stock" and repeats <= 2 * _SLOW_STOCK < 2 * turn:
                    continue
                try:
                    taken = part.round()
                except PartEndedError as failure:
                    console.print(f"[red]{failure}[/red]")
                    alive.remove(part)
                    continue
                if turn:  # the first turn is a warm-up
                    seconds[part.name].append(taken)
        for part in alive:
            memory |= part.memory()
    return row(payload, silos, seconds, memory)


def main(
    payload: Annotated[str, typer.Option(help="Sizes of the broadcast vector, separated by commas.")] = "4KB,1MB,100MB",
    silos: Annotated[str, typer.Option(help="Numbers of silos, separated by commas.")] = "2,4,8",
    parts: Annotated[str, typer.Option(help="Parts to measure, separated by commas.")] = ",".join(PARTS),
    repeats: Annotated[int, typer.Option(help="Rounds per part. 0: 50 up to 64 KB, 15 up to 16 MB, else 5.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the rows as JSON.")] = None,
) -> None:
    """Measures a round: broadcast a vector, add one in each silo, federated_sum."""
    try:
        payloads = [parse(text) for text in payload.split(",")]
        counts = [int(text) for text in silos.split(",")]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    names = parts.split(",")
    if unknown := set(names) - set(PARTS):
        raise typer.BadParameter(f"parts {sorted(unknown)} are not among {list(PARTS)}")
    rows = []
    for size in payloads:
        for count in counts:
            console.print(f"{size.label} with {count} silos ...")
            rows.append(measure(size, count, names, repeats or repeats_for(size)))
            if json_file:  # after each row, so that an interrupted benchmark keeps its results
                json_file.parent.mkdir(parents=True, exist_ok=True)
                json_file.write_text(json.dumps(rows, indent=2) + "\n")
    console.print(table(rows))


if __name__ == "__main__":
    typer.run(main)
