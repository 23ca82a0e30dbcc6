"""The jobs of a namespace, or of all: what `fedjobs list` shows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TypedDict

from rich import box
from rich.table import Table
from rich.text import Text

from fedjobs.cluster.federated_jobs import Body
from fedjobs.cluster.job_statuses import phase, status_of

_STYLES = {"Complete": "green", "Failed": "red", "Suspended": "yellow"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


class ListedJob(TypedDict):
    """What `fedjobs list --json` prints of a job; a public interface."""

    namespace: str
    name: str
    phase: str
    round: int
    rounds: int | None
    silos: str
    restarts: int
    created: str


def listed(jobs: Iterable[Body]) -> list[ListedJob]:
    """The jobs, with what is told of each."""
    found: list[ListedJob] = []
    for job in jobs:
        status, metadata = status_of(job), job["metadata"]
        found.append(
            {
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "phase": phase(job),
                "round": status.round or 0,
                "rounds": status.rounds or None,
                "silos": status.silos_ready or "",
                "restarts": status.restarts or 0,
                "created": metadata["creationTimestamp"],
            }
        )
    return found


def drawn(jobs: Iterable[ListedJob], *, namespaces: bool, now: datetime.datetime) -> Table:
    """As a table.

    Args:
        jobs: In the order in which they are shown.
        namespaces: Whether to show them.
        now: For the jobs' ages.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", border_style="dim")
    for title in (*(("namespace",) if namespaces else ()), "name", "phase"):
        table.add_column(title, overflow="fold")
    for title in ("round", "silos", "restarts", "age"):
        table.add_column(title, justify="right", no_wrap=True)
    for job in jobs:
        of = f"/{job['rounds']}" if job["rounds"] else ""
        age = (now - datetime.datetime.fromisoformat(job["created"])).total_seconds()
        table.add_row(
            *((Text(job["namespace"]),) if namespaces else ()),
            Text(job["name"]),
            Text(job["phase"] or "-", style=_STYLES.get(job["phase"], "")),
            f"{job['round']}{of}",
            job["silos"] or "-",
            str(job["restarts"]),
            aged(age),
        )
    return table


def aged(seconds: float) -> str:
    """An age in its largest unit, as kubectl writes it: `4d`, `17m`."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"
