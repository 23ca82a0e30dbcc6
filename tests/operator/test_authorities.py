"""The issuers of certificates, which are made once."""

from __future__ import annotations

import pytest
from fedjobs_operator import authorities
from fedjobs_operator.kubernetes_api import ApiError

from tests.operator.memory_apis import MemoryApi


def test_an_authority_is_made_once() -> None:
    api = MemoryApi()
    first = authorities.load_or_create(api, "fedjobs-system")
    assert authorities.load_or_create(api, "fedjobs-system") == first
    assert api.called("create", "Secret") == ["fedjobs-authority"]


def test_of_two_operators_that_make_one_the_first_wins() -> None:
    class Racing(MemoryApi):
        """Another operator makes one between the look and the creation."""

        def create(self, manifest: object) -> None:
            authorities.load_or_create(other, "fedjobs-system")
            self.objects = other.objects

    other = MemoryApi()
    made = authorities.load_or_create(Racing(), "fedjobs-system")
    assert made == authorities.load_or_create(other, "fedjobs-system")


def test_an_authority_that_cannot_be_made_is_an_error() -> None:
    api = MemoryApi()
    api.refused["create", "Secret"] = ApiError(404, 'namespaces "fedjobs-system" not found')
    with pytest.raises(ApiError, match="not found"):
        authorities.load_or_create(api, "fedjobs-system")


def test_certificates_of_both_issuers_are_those_of_the_secret() -> None:
    authority = authorities.load_or_create(MemoryApi(), "fedjobs-system")
    silo = authority.issue_silo("0f8e7d6c", "hospital-a")
    coordinator = authority.issue_coordinator("0f8e7d6c", "j-0f8e7d6c.fedjobs.local")
    assert silo.trust == authority.coordinators.certificate
    assert coordinator.trust == authority.silos.certificate
