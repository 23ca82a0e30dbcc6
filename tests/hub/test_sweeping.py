"""The hub deletes invitations and Leases by the current Silo, not by what this hub has seen of it so far."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from fedjobs_hub.cluster.cluster_api import ClusterApi, Resource
from fedjobs_hub.cluster.informers import Informers
from fedjobs_hub.controller import Controller
from fedjobs_hub.objects import silo_invitations

from tests.hub.builders import NOW, SiloBuilder, a_silo
from tests.hub.test_decisions import SETTINGS


class Cluster(ClusterApi):
    """A silo, and the Secret of its invitation."""

    def __init__(self, silo: SiloBuilder | None, secret: dict[str, Any]) -> None:
        self._silo = silo
        self._secret = secret | {"metadata": secret["metadata"] | {"uid": "secret-1"}}
        self.deleted: list[str] = []

    def all(self, resource: Resource, namespace: str | None, selector: str = "") -> tuple[list[dict[str, Any]], str]:
        return [self._secret], "1"

    def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any] | None:
        return None if self._silo is None else self._silo.body()

    def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str) -> None:
        self.deleted.append(uid)


def swept(silo: SiloBuilder | None, *, seen: SiloBuilder | None) -> list[str]:
    """Returns what a hub deletes that has seen the silo in this state. The invitation fits the silo's last request."""
    secret = silo_invitations.new((silo or a_silo()).known(), b"PEM", SETTINGS, NOW)
    cluster = Cluster(silo, secret)

    async def sweep() -> None:
        sightings = Informers()
        if seen is not None:
            sightings.silos.listed([seen.body()], "1")
        nobody = cast(Any, None)
        await Controller(cluster, SETTINGS, sightings, nobody, nobody, lambda: NOW)._sweep()

    asyncio.run(sweep())
    return cluster.deleted


@pytest.mark.parametrize("seen", [None, a_silo().enrolled()])
def test_an_invitation_that_another_hub_just_created_stays(seen: SiloBuilder | None) -> None:
    assert swept(a_silo().enrolled().asked_again(), seen=seen) == []


def test_an_invitation_of_a_deleted_silo_is_deleted() -> None:
    assert swept(None, seen=None) == ["secret-1"]


def test_an_invitation_that_was_used_is_deleted() -> None:
    assert swept(a_silo().enrolled(), seen=a_silo().enrolled()) == ["secret-1"]
