"""Deletion of objects that were left while no operator ran."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fedjobs_api.api_calls import ApiError
from fedjobs_api.names import JobRef
from fedjobs_operator.children import network
from fedjobs_operator.cluster.cache import Cache
from fedjobs_operator.cluster.sweeper import Sweeper

from tests.operator.builders import REF, SETTINGS, a_job, a_silo_object
from tests.operator.memory_apis import MemoryApi

ROUTE = f"fedjobs-system/{REF.service}"


def an_api(ref: JobRef = REF) -> MemoryApi:
    api = MemoryApi()
    api.create(network.route(ref, SETTINGS))
    api.objects["FederatedJob", "digits"] = a_job().body
    return api


def sweep(api: MemoryApi) -> None:
    Sweeper(api, Cache(), SETTINGS.own_namespace).sweep()


def test_the_route_of_an_existing_job_stays() -> None:
    api = an_api()
    sweep(api)
    assert ("Service", ROUTE) in api.objects


def test_no_calls_are_made_for_a_known_job() -> None:
    api, objects = an_api(), Cache()
    objects.saw_job(a_job().body, deleted=False)
    Sweeper(api, objects, SETTINGS.own_namespace).sweep()
    assert api.called("get", "FederatedJob") == []
    assert ("Service", ROUTE) in api.objects


def test_the_route_of_a_deleted_job_is_deleted() -> None:
    api = an_api()
    del api.objects["FederatedJob", "digits"]
    sweep(api)
    assert ("Service", ROUTE) not in api.objects


def test_a_later_job_of_the_same_name_is_another_job() -> None:
    earlier = replace(REF, uid="11111111-2222-3333-4444-555555555555")
    api = an_api(earlier)
    sweep(api)
    assert api.called("delete", "Service") == [f"fedjobs-system/{earlier.service}"]


def test_a_route_whose_job_cannot_be_read_stays() -> None:
    api = an_api()
    api.refused["get", "FederatedJob"] = ApiError(403, "forbidden")
    sweep(api)
    assert ("Service", ROUTE) in api.objects


def test_other_services_are_not_checked() -> None:
    api = MemoryApi()
    other: dict[str, Any] = {"kind": "Service", "metadata": {"name": "fedjobs-hub", "namespace": "fedjobs-system"}}
    api.create(other)
    sweep(api)
    assert ("Service", "fedjobs-system/fedjobs-hub") in api.objects


def test_a_silo_whose_deletion_was_missed_is_noticed() -> None:
    api, objects = MemoryApi(), Cache()
    for name in ("a", "b"):
        api.objects["Silo", name] = a_silo_object(name)
    sweeping = Sweeper(api, objects, SETTINGS.own_namespace)
    assert asyncio.run(sweeping.look_at_silos())
    del api.objects["Silo", "a"]
    assert asyncio.run(sweeping.look_at_silos())
    assert [silo.name for silo in objects.silos()] == ["b"]
    assert not asyncio.run(sweeping.look_at_silos())
