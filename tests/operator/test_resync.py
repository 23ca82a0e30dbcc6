"""Changes of children that no event reported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from fedjobs_api.api_calls import FORBIDDEN, ApiError
from fedjobs_api.names import SELECTOR
from fedjobs_operator.cluster.cache import CHILDREN, Cache
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.cluster.resync import Resync
from fedjobs_operator.controller.operator import Operator

from tests.operator.attempts import UID, an_attempt
from tests.operator.builders import SETTINGS, a_job, a_silo_object
from tests.operator.memory_apis import MemoryApi
from tests.operator.virtual_time import in_virtual_time, now

LABELS = dict(label.split("=") for label in SELECTOR.split(","))


def with_labels(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "labels": {**body["metadata"]["labels"], **LABELS}}}


class World:
    """A job with a Job and a pod. The cluster has them, and the operator knows them."""

    def __init__(self) -> None:
        self.api, self.objects = MemoryApi(), Cache()
        self.gone: list[tuple[str, str]] = []
        attempt = an_attempt(1)
        assert attempt.pod is not None
        there = {"FederatedJob": a_job().body, "Job": with_labels(attempt.job), "Pod": with_labels(attempt.pod)}
        for kind, body in there.items():
            self.api.objects[kind, body["metadata"]["name"]] = body
        self.objects.saw_job(there["FederatedJob"], deleted=False)
        for kind in ("Job", "Pod"):
            self.objects.saw_child(kind, there[kind], deleted=False)

    async def _is_gone(self, kind: str, body: Mapping[str, Any]) -> None:
        self.gone.append((kind, body["metadata"]["name"]))

    def look(self, *namespaces: str) -> list[tuple[str, str]]:
        asyncio.run(Resync(self.api, self.objects, namespaces, self._is_gone).look())
        return self.gone


def test_existing_objects_are_not_reported() -> None:
    assert World().look() == []


def test_deleted_objects_of_each_kind_are_reported() -> None:
    world = World()
    names = list(world.api.objects)
    world.api.objects.clear()
    assert world.look() == names


def test_a_job_of_the_same_name_is_another_job() -> None:
    world = World()
    world.api.objects["FederatedJob", "digits"] = a_job().with_("metadata.uid", "new").body
    assert world.look() == [("FederatedJob", "digits")]


def test_each_of_the_operators_namespaces_is_listed() -> None:
    world = World()
    world.look("team", "other")
    assert world.api.called("each", "FederatedJob") == ["team", "other"]
    assert world.gone == []


def test_kinds_without_known_objects_are_not_listed() -> None:
    world = World()
    world.look()
    assert world.api.called("each", "PersistentVolumeClaim") == []


def names(objects: Cache) -> list[str]:
    return [body["metadata"]["name"] for kind in CHILDREN for body in objects.children(UID, kind)]


def test_all_existing_children_are_known_at_the_start() -> None:
    world, objects = World(), Cache()
    asyncio.run(Resync(world.api, objects, (), world._is_gone).begin())
    assert names(objects) == names(world.objects)


def test_a_forbidden_kind_does_not_hide_the_others() -> None:
    world, objects = World(), Cache()
    world.api.refused["each", "Pod"] = ApiError(FORBIDDEN, "not yours")
    asyncio.run(Resync(world.api, objects, ("team",), world._is_gone).begin())
    assert names(objects) == ["digits-coordinator-1"]


def test_an_operator_that_cannot_list_objects_does_not_start() -> None:
    world = World()
    world.api.refused["each", "Job"] = ApiError(0, "does not answer")
    with pytest.raises(ApiError, match="does not answer"):
        asyncio.run(Resync(world.api, Cache(), (), world._is_gone).begin())


def test_a_deletion_before_the_watches_began_is_noticed_soon() -> None:
    world = World()

    async def noticed() -> tuple[str, float]:
        found: asyncio.Queue[str] = asyncio.Queue()
        resyncing = Resync(world.api, world.objects, (), lambda kind, _: found.put(kind))
        await resyncing.begin()
        world.api.objects = {key: body for key, body in world.api.objects.items() if key[0] != "Pod"}
        looking = asyncio.create_task(resyncing.run())
        kind = await found.get()
        looking.cancel()
        return kind, now()

    assert in_virtual_time(noticed()) == ("Pod", 10)


def test_a_job_whose_event_comes_before_its_childrens_has_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an operator restarts, kopf's watches report jobs and their children in any order."""
    world = World()
    for silo in ("hospital-a", "hospital-b"):
        world.api.objects["Silo", silo] = a_silo_object(silo)
    monkeypatch.setattr(KubernetesApi, "connect", lambda: world.api)

    async def a_job_is_looked_at() -> None:
        operator = Operator(SETTINGS)
        await operator.start()
        status = {"attempt": 1, "coordinator": {"jobName": "digits-coordinator-1", "jobUid": "job-1"}}
        await operator.saw_job(a_job().body | {"status": status}, deleted=False)
        while not world.api.called("apply", "FederatedJob"):
            await asyncio.sleep(0.01)
        await operator.stop()

    asyncio.run(asyncio.wait_for(a_job_is_looked_at(), 60))
    assert world.api.called("create", "Job") == []
