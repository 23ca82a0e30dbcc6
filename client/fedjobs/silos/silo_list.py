"""The list of silos that `fedjobs silo list` shows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TypedDict

from fedjobs_api.silos import SiloStatus
from rich import box
from rich.table import Table

from fedjobs.cells import cell
from fedjobs.cluster.job_list import aged
from fedjobs.silos.silo_objects import Body

_STYLES = {"connected": "green", "suspended": "yellow", "silent": "red"}


class ListedSilo(TypedDict):
    """A silo in the output of `fedjobs silo list --json`, which is a public interface."""

    name: str
    state: str
    reason: str
    lastHeartbeatTime: str | None
    certificateExpirationTime: str | None
    datasets: list[str] | None
    gpus: int | None
    versions: dict[str, str]


def listed(silos: Iterable[Body]) -> list[ListedSilo]:
    """Returns the silos with the values to show."""
    found: list[ListedSilo] = []
    for silo in silos:
        status = SiloStatus.model_validate(silo.get("status", {}))
        state, reason = _state(silo, status)
        found.append(
            {
                "name": silo["metadata"]["name"],
                "state": state,
                "reason": reason,
                "lastHeartbeatTime": status.last_heartbeat_time,
                "certificateExpirationTime": status.certificate_expiration_time,
                "datasets": status.datasets,
                "gpus": None if status.capacity is None else status.capacity.gpus,
                "versions": status.versions or {},
            }
        )
    return found


def _state(silo: Body, status: SiloStatus) -> tuple[str, str]:
    """Returns the state as one word, and the reason for it."""
    if silo.get("spec", {}).get("suspend", False):
        return "suspended", ""
    conditions = {condition.type: condition for condition in status.conditions or ()}
    enrolled, connected = conditions.get("Enrolled"), conditions.get("Connected")
    if connected is not None and connected.status == "True":
        return "connected", ""
    if enrolled is None or enrolled.status != "True":
        return "not enrolled", "" if enrolled is None else enrolled.message
    return "silent", "" if connected is None else connected.message


def drawn(silos: Iterable[ListedSilo], *, now: datetime.datetime) -> Table:
    """Returns the silos as a table.

    Args:
        silos: The silos in the order to show.
        now: The current time, to compute how long ago each silo was last seen.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", border_style="dim")
    for title in ("name", "state", "datasets", "gpus", "fedjobs", "seen", "why"):
        table.add_column(title, overflow="fold")
    for silo in silos:
        seen = silo["lastHeartbeatTime"]
        age = "-" if seen is None else aged((now - datetime.datetime.fromisoformat(seen)).total_seconds())
        table.add_row(
            cell(silo["name"]),
            cell(silo["state"], _STYLES.get(silo["state"], "")),
            cell(", ".join(silo["datasets"] or ()) or "-"),
            "-" if silo["gpus"] is None else str(silo["gpus"]),
            cell(silo["versions"].get("fedjobs", "-")),
            age,
            cell(silo["reason"]),
        )
    return table
