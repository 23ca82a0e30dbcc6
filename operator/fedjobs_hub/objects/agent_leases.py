"""The newest agent of a silo, as a Lease that it holds."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator import times
from fedjobs_operator.times import Time

from fedjobs_hub import names
from fedjobs_hub.objects.silos import KnownSilo

SILENCE = datetime.timedelta(seconds=100)
"""An agent that was not heard of for so long is not connected: two long polls and a little."""
WRITTEN_EVERY = datetime.timedelta(seconds=20)
"""That an agent was heard of is written down at most so often."""


@dataclass(frozen=True)
class AgentLease:
    """Who the agent of a silo is.

    Attributes:
        name: Of the object.
        silo: Its name.
        silo_uid: Of the Silo as it was then.
        agent_id: What the newest agent calls itself.
        began: When it announced itself.
        heard: When it was heard of last, as far as that was written down.
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
    """Reads a Lease that `announced` has made."""
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
    """The Lease when this agent has announced itself, whoever held it before.

    Args:
        body: The Lease as it is; None: there is none.
        silo: Whose.
        agent_id: What the agent calls itself.
        namespace: The hub's.
        now: The time.
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
    """The Lease, if this agent holds it.

    Raises:
        FedjobsError: SESSION_UNKNOWN, SESSION_SUPERSEDED.
    """
    if lease is None or lease.silo_uid != silo.uid:
        message = f"The hub has not heard of an agent of silo {silo.name} yet."
        raise FedjobsError(ErrorCode.SESSION_UNKNOWN, message, "Announce it.")
    if lease.agent_id != agent_id:
        raise FedjobsError(
            ErrorCode.SESSION_SUPERSEDED,
            f"Another agent of silo {silo.name}, {lease.agent_id}, has announced itself"
            f" at {times.written(lease.began)} with the same key.",
            "Run one agent for a silo; if the other one is not yours, have the silo invited again.",
        )
    return lease
