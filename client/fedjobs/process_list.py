"""The processes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from fedjobs_common.processes import ProcessInfo, registered
from rich.table import Table

from fedjobs.cells import cell
from fedjobs.results import of_a_run


class ListedProcess(TypedDict):
    """A process in the output of `fedjobs ps --json`, which is a public interface."""

    role: str
    silo: str | None
    pid: int
    state: str


def processes(directory: Path, *, everything: bool = False) -> list[ProcessInfo]:
    """Returns the live processes of a run, sorted by role and silo.

    Args:
        directory: The run's folder.
        everything: Whether to include processes that crashed or were killed.

    Raises:
        FedjobsError: INVALID_JOB if the folder is not the folder of a run.
    """
    found = registered(of_a_run(directory).processes)
    return [process for process in found if everything or process.alive]


def as_json(found: Sequence[ProcessInfo]) -> list[ListedProcess]:
    """Returns the processes as `--json` prints them."""
    return [{"role": p.role, "silo": p.silo, "pid": p.pid, "state": p.state} for p in found]


def drawn(found: Sequence[ProcessInfo]) -> Table:
    """Returns the processes as a table."""
    table = Table(header_style="bold", border_style="dim")
    table.add_column("role")
    table.add_column("silo")
    table.add_column("pid", justify="right")
    table.add_column("state")
    for process in found:
        table.add_row(process.role, cell(process.silo or ""), str(process.pid), process.state)
    return table
