"""Deletions that no event told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fedjobs_operator.cluster.objects import Objects
from fedjobs_operator.cluster.resyncing import Resyncing
from fedjobs_operator.names import SELECTOR

from tests.operator.attempts import an_attempt
from tests.operator.builders import a_job
from tests.operator.memory_apis import MemoryApi

LABELS = dict(label.split("=") for label in SELECTOR.split(","))


def ours(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "labels": {**body["metadata"]["labels"], **LABELS}}}


class World:
    """A job with a Job and a pod that the operator knows, and which are there."""

    def __init__(self) -> None:
        self.api, self.objects = MemoryApi(), Objects()
        self.gone: list[tuple[str, str]] = []
        attempt = an_attempt(1)
        assert attempt.pod is not None
        there = {"FederatedJob": a_job().body, "Job": ours(attempt.job), "Pod": ours(attempt.pod)}
        for kind, body in there.items():
            self.api.objects[kind, body["metadata"]["name"]] = body
        self.objects.saw_job(there["FederatedJob"], deleted=False)
        for kind in ("Job", "Pod"):
            self.objects.saw_child(kind, there[kind], deleted=False)

    async def _is_gone(self, kind: str, body: Mapping[str, Any]) -> None:
        self.gone.append((kind, body["metadata"]["name"]))

    def look(self, *namespaces: str) -> list[tuple[str, str]]:
        asyncio.run(Resyncing(self.api, self.objects, namespaces, self._is_gone).look())
        return self.gone


def test_what_is_there_is_left_alone() -> None:
    assert World().look() == []


def test_each_kind_that_is_gone_is_told() -> None:
    world = World()
    names = list(world.api.objects)
    world.api.objects.clear()
    assert world.look() == names


def test_a_job_of_the_same_name_is_another_one() -> None:
    world = World()
    world.api.objects["FederatedJob", "digits"] = a_job().with_("metadata.uid", "new").body
    assert world.look() == [("FederatedJob", "digits")]


def test_each_namespace_is_looked_at_where_the_operator_has_some() -> None:
    world = World()
    world.look("team", "other")
    assert world.api.called("all", "FederatedJob") == ["", ""]
    assert world.gone == []


def test_nothing_is_listed_of_what_nothing_is_known_of() -> None:
    world = World()
    world.look()
    assert world.api.called("all", "PersistentVolumeClaim") == []
