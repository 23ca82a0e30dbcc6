"""The Lease of the newest agent of a silo."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api import times
from fedjobs_api.times import Time
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_hub import names
from fedjobs_hub.objects.silos import KnownSilo

SILENCE = datetime.timedelta(seconds=100)
"""An agent without a call for this time is not connected. This is slightly more than two long polls."""
WRITTEN_EVERY = datetime.timedelta(seconds=20)
"""The minimum interval between updates of the Lease."""


@dataclass(frozen=True)
class AgentLease:
    """The newest agent of a silo.

    Attributes:
        name: The name of the Lease.
        silo: The name of the silo.
        silo_uid: The uid of the Silo at that time.
        agent_id: The ID of the newest agent.
        began: The time of its announcement.
        heard: The last recorded time of a call.
    """

    name: str
    silo: str
    silo_uid: str
    agent_id: str
    began: Time
    heard: Time

    def is_connected(self, now: Time) -> bool:
        return now - self.heard < SILENCE


def parsed(body: Mapping[str, Any]) -> AgentLease:
    """Parses a Lease that `announced` returned."""
    metadata, spec = body["metadata"], body["spec"]
    return AgentLease(
        name=metadata["name"],
        silo=metadata["labels"][names.SILO],
        silo_uid=metadata["ownerReferences"][0]["uid"],
        agent_id=spec["holderIdentity"],
        began=times.read(spec["acquireTime"]),
        heard=times.read(spec["renewTime"]),
    )


def announced(
    body: Mapping[str, Any] | None, silo: KnownSilo, agent_id: str, namespace: str, now: Time
) -> dict[str, Any]:
    """Returns the Lease after the announcement of an agent, whoever held it before.

    Args:
        body: The current Lease, or None.
        silo: The silo.
        agent_id: The agent's ID.
        namespace: The hub's namespace.
        now: The current time.
    """
    known = {} if body is None else body["spec"]
    new = known.get("holderIdentity") != agent_id
    version = {} if body is None else {"resourceVersion": body["metadata"]["resourceVersion"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": names.agent_lease(silo.name),
            "namespace": namespace,
            "labels": {**names.LABELS, names.ROLE: names.AGENT, names.SILO: silo.name},
            "ownerReferences": [silo.owner()],
            **version,
        },
        "spec": {
            "holderIdentity": agent_id,
            "leaseDurationSeconds": int(SILENCE.total_seconds()),
            "leaseTransitions": known.get("leaseTransitions", 0) + (1 if known and new else 0),
            "acquireTime": times.written_precisely(now) if new else known["acquireTime"],
            "renewTime": times.written_precisely(now),
        },
    }


def check_newest(lease: AgentLease | None, silo: KnownSilo, agent_id: str) -> AgentLease:
    """Returns the Lease if this agent holds it.

    Raises:
        FedjobsError: SESSION_NOT_FOUND, SESSION_SUPERSEDED.
    """
    if lease is None or lease.silo_uid != silo.uid:
        message = f"No agent of silo {silo.name} has announced itself yet."
        raise FedjobsError(ErrorCode.SESSION_NOT_FOUND, message, "Call Announce first.")
    if lease.agent_id != agent_id:
        raise FedjobsError(
            ErrorCode.SESSION_SUPERSEDED,
            f"Another agent of silo {silo.name}, {lease.agent_id}, announced itself"
            f" at {times.written(lease.began)} with the same key.",
            "Run only one agent for a silo. If the other agent is not yours, ask the federation to invite the silo "
            "again.",
        )
    return lease
