"""The list of jobs that `fedjobs list` shows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TypedDict

from rich import box
from rich.table import Table

from fedjobs.cells import cell
from fedjobs.cluster.federated_jobs import Body
from fedjobs.cluster.job_statuses import phase, status_of

_STYLES = {"Complete": "green", "Failed": "red", "Suspended": "yellow"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


class ListedJob(TypedDict):
    """A job in the output of `fedjobs list --json`, which is a public interface."""

    namespace: str
    name: str
    phase: str
    completedRounds: int
    totalRounds: int | None
    readySilos: int | None
    totalSilos: int | None
    restarts: int
    created: str


def listed(jobs: Iterable[Body]) -> list[ListedJob]:
    """Returns the jobs with the values to show."""
    found: list[ListedJob] = []
    for job in jobs:
        status, metadata = status_of(job), job["metadata"]
        found.append(
            {
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "phase": phase(job),
                "completedRounds": status.completed_rounds or 0,
                "totalRounds": status.total_rounds or None,
                "readySilos": status.ready_silos,
                "totalSilos": status.total_silos,
                "restarts": status.restarts or 0,
                "created": metadata["creationTimestamp"],
            }
        )
    return found


def drawn(jobs: Iterable[ListedJob], *, namespaces: bool, now: datetime.datetime) -> Table:
    """Returns the jobs as a table.

    Args:
        jobs: The jobs in the order to show.
        namespaces: Whether to show the namespaces.
        now: The current time, to compute the ages.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", border_style="dim")
    for title in (*(("namespace",) if namespaces else ()), "name", "phase"):
        table.add_column(title, overflow="fold")
    for title in ("round", "silos", "restarts", "age"):
        table.add_column(title, justify="right", no_wrap=True)
    for job in jobs:
        of = f"/{job['totalRounds']}" if job["totalRounds"] else ""
        age = (now - datetime.datetime.fromisoformat(job["created"])).total_seconds()
        table.add_row(
            *((cell(job["namespace"]),) if namespaces else ()),
            cell(job["name"]),
            cell(job["phase"] or "-", _STYLES.get(job["phase"], "")),
            f"{job['completedRounds']}{of}",
            _silos(job),
            str(job["restarts"]),
            aged(age),
        )
    return table


def _silos(job: ListedJob) -> str:
    return "-" if job["totalSilos"] is None else f"{job['readySilos'] or 0}/{job['totalSilos']}"


def aged(seconds: float) -> str:
    """Formats an age in its largest unit, as kubectl does: `4d`, `17m`."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"
