"""Builds Silos and their Leases, for tests without a cluster."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from fedjobs_api import times
from fedjobs_hub import names
from fedjobs_hub.objects import agent_leases, silos
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_protocol.hub import silo_tokens

NOW = datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC)
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
SECRET = "the secret of the token"
KEY, OTHER_KEY = "a" * 64, "b" * 64


@dataclass
class SiloBuilder:
    """Builds a Silo: `a_silo().invited().enrolled().suspended().known()`."""

    metadata: dict[str, Any] = field(
        default_factory=lambda: {"name": "hospital-a", "uid": "uid-1", "resourceVersion": "10", "generation": 3}
    )
    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)

    def invited(self, until: datetime.datetime = NOW + DAY) -> SiloBuilder:
        self.status["enrolment"] = {
            "tokenHash": silo_tokens.hashed(SECRET),
            "tokenExpirationTime": times.written(until),
        }
        return self

    def enrolled(self, key: str = KEY, until: datetime.datetime = NOW + DAY) -> SiloBuilder:
        if "enrolment" not in self.status:
            self.invited()
        self.status["enrolment"]["keyFingerprint"] = key
        self.status["certificateExpirationTime"] = times.written(until)
        return self

    def asked_again(self, wish: str = "now") -> SiloBuilder:
        self.metadata["annotations"] = {names.INVITE_AGAIN: wish}
        return self

    def suspended(self) -> SiloBuilder:
        self.spec["suspend"] = True
        return self

    def deleted(self) -> SiloBuilder:
        self.metadata["deletionTimestamp"] = times.written(NOW)
        return self

    def body(self) -> dict[str, Any]:
        return {"metadata": self.metadata, "spec": self.spec, "status": self.status}

    def known(self) -> KnownSilo:
        return silos.parsed(self.body())


def a_silo() -> SiloBuilder:
    return SiloBuilder()


def a_lease(silo: KnownSilo, agent_id: str = "agent-1", heard: datetime.datetime = NOW) -> AgentLease:
    return agent_leases.parsed(agent_leases.announced(None, silo, agent_id, "system", heard))
