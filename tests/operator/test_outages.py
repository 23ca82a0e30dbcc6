"""The operator survives an API server that does not respond for a while."""

from __future__ import annotations

import asyncio

import pytest
from fedjobs_api.api_calls import ApiError
from fedjobs_api.names import FEDERATION, FEDERATION_NAMESPACE, SERVERS_TRUST, TRUST
from fedjobs_operator.cluster import trust as trusts
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.cluster.trust import Trust
from fedjobs_operator.controller.operator import Operator
from kubernetes.client import ApiClient, Configuration

from tests.operator.builders import SETTINGS, a_job, a_silo_object
from tests.operator.memory_apis import MemoryApi

NAMESPACE = "fedjobs-system"


def test_a_missing_response_is_an_api_error() -> None:
    configuration = Configuration(host="http://127.0.0.1:1")
    configuration.retries = False
    with pytest.raises(ApiError, match="does not respond") as caught:
        KubernetesApi(ApiClient(configuration)).all("Silo")
    assert caught.value.status == 0


def test_the_trusted_issuers_are_read_again_after_any_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusts, "_EVERY_S", 0.001)
    api, asked = MemoryApi(), 0
    api.objects["ConfigMap", f"{NAMESPACE}/{TRUST}"] = {"metadata": {"name": TRUST}, "data": {SERVERS_TRUST: "new"}}
    answer = api.get

    def get(*arguments: str) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RuntimeError("an unexpected error")
        return answer(*arguments)

    monkeypatch.setattr(api, "get", get)

    async def until_it_changes() -> str:
        trust, changed = Trust(api, NAMESPACE), asyncio.Event()

        async def told() -> None:
            changed.set()

        task = asyncio.create_task(trust.run(told))
        await asyncio.wait_for(changed.wait(), 60)
        task.cancel()
        return trust.pem

    assert asyncio.run(until_it_changes()) == "new"


def marked(namespace: str) -> MemoryApi:
    """Returns an API server whose cluster belongs to the federation in a namespace."""
    api = MemoryApi()
    metadata = {"name": FEDERATION, "annotations": {FEDERATION_NAMESPACE: namespace}}
    api.objects["ClusterRole", f"/{FEDERATION}"] = {"metadata": metadata}
    for silo in ("hospital-a", "hospital-b"):
        api.objects["Silo", silo] = a_silo_object(silo)
    return api


def test_an_operator_of_a_second_release_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    api = marked("elsewhere")
    monkeypatch.setattr(KubernetesApi, "connect", lambda: api)

    async def test() -> Operator:
        ended = asyncio.Event()
        operator = Operator(SETTINGS, ended.set)
        await operator.start()
        await asyncio.wait_for(ended.wait(), 60)
        await operator.saw_job(a_job().body, deleted=False)
        await operator.stop()
        return operator

    failure = asyncio.run(test()).failure
    assert failure is not None
    assert "This cluster belongs to the federation in namespace elsewhere" in failure.public
    assert {verb for verb, _, _ in api.calls} == {"get"}


def test_an_operator_stops_when_another_release_takes_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusts, "_EVERY_S", 0.001)
    api = marked(NAMESPACE)
    monkeypatch.setattr(KubernetesApi, "connect", lambda: api)

    async def test() -> Operator:
        ended = asyncio.Event()
        operator = Operator(SETTINGS, ended.set)
        await operator.start()
        assert operator.failure is None
        api.objects |= marked("elsewhere").objects
        await asyncio.wait_for(ended.wait(), 60)
        await operator.stop()
        return operator

    assert asyncio.run(test()).failure is not None
