"""Where the authority is stored, when a new one is created, and when the hub refuses to."""

from __future__ import annotations

import datetime

import pytest
from fedjobs_api.names import FEDERATION, FEDERATION_NAMESPACE
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_hub.certificates.authority_controller import AuthorityController
from fedjobs_hub.cluster.cluster_api import Resource
from fedjobs_protocol.identities.certificates import Issuer

from tests.hub.builders import a_silo
from tests.hub.memory_clusters import MemoryCluster
from tests.hub.test_decisions import SETTINGS

SECRET = (Resource.SECRET, "fedjobs-authority", "fedjobs-authority")
TRUST = (Resource.CONFIG_MAP, "fedjobs-system", "fedjobs-trust")


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def controller(cluster: MemoryCluster) -> AuthorityController:
    return AuthorityController(cluster, SETTINGS, Issuer.create, lambda: datetime.datetime.now(datetime.UTC))


def refusal(controller: AuthorityController) -> FedjobsError:
    with pytest.raises(FedjobsError) as refused:
        controller.look()
    return refused.value


def mark(cluster: MemoryCluster, namespace: str) -> None:
    metadata = {"name": FEDERATION, "annotations": {FEDERATION_NAMESPACE: namespace}}
    cluster.objects[Resource.CLUSTER_ROLE, None, FEDERATION] = {"metadata": metadata}


def test_the_first_hub_creates_the_authority_in_its_own_namespace(
    cluster: MemoryCluster, controller: AuthorityController
) -> None:
    authority = controller.look()
    assert set(cluster.objects) == {SECRET, TRUST}
    assert controller.look() == authority


def test_a_deleted_authority_is_not_replaced(cluster: MemoryCluster, controller: AuthorityController) -> None:
    controller.look()
    del cluster.objects[SECRET]
    refused = refusal(controller)
    assert refused.code is ErrorCode.AUTHORITY_MISSING
    assert "The Secret fedjobs-authority in namespace fedjobs-authority does not exist" in refused.message
    assert "Restore the Secret from a backup" in refused.remedy
    assert SECRET not in cluster.objects


def test_it_is_not_replaced_either_if_silos_have_enrolled_with_it(
    cluster: MemoryCluster, controller: AuthorityController
) -> None:
    """Somebody deleted the namespaces, or uninstalled the federation. The Silos were kept."""
    cluster.objects[Resource.SILO, None, "new"] = a_silo().body()
    controller.look()
    for key in (SECRET, TRUST):
        del cluster.objects[key]
    cluster.objects[Resource.SILO, None, "hospital-a"] = a_silo().enrolled().body()
    assert "silos have enrolled with it: hospital-a" in refusal(controller).message
    assert SECRET not in cluster.objects


def test_a_damaged_authority_is_not_replaced(cluster: MemoryCluster, controller: AuthorityController) -> None:
    controller.look()
    cluster.objects[SECRET]["data"].popitem()
    assert "holds no complete authority" in refusal(controller).message
    assert refusal(controller).code is ErrorCode.AUTHORITY_MISSING


def test_a_restored_authority_is_used(cluster: MemoryCluster, controller: AuthorityController) -> None:
    authority = controller.look()
    backup = cluster.objects.pop(SECRET)
    refusal(controller)
    cluster.objects[SECRET] = backup
    assert controller.look() == authority


def test_a_person_can_start_anew(cluster: MemoryCluster, controller: AuthorityController) -> None:
    before = controller.look()
    annotations = {"fedjobs.dev/start-anew": "true"}
    cluster.objects[SECRET] = {
        "metadata": {"name": SECRET[2], "namespace": SECRET[1], "resourceVersion": "1", "annotations": annotations}
    }
    after = controller.look()
    assert after.generations != before.generations
    assert cluster.objects[SECRET]["metadata"]["annotations"] == {}
    assert cluster.objects[TRUST]["data"]["servers.crt"] == after.servers_trust().decode()


def test_the_annotation_does_not_replace_an_authority_that_exists(
    cluster: MemoryCluster, controller: AuthorityController
) -> None:
    before = controller.look()
    cluster.objects[SECRET]["metadata"]["annotations"] = {"fedjobs.dev/start-anew": "true"}
    assert controller.look().generations == before.generations


def test_a_hub_of_a_second_release_refuses_to_run(cluster: MemoryCluster, controller: AuthorityController) -> None:
    mark(cluster, "fedjobs-system")
    controller.look()
    mark(cluster, "elsewhere")
    refused = refusal(controller)
    assert refused.code is ErrorCode.FEDERATION_EXISTS
    assert "the federation in namespace elsewhere" in refused.message
    assert "uninstall one of the two releases" in refused.remedy
