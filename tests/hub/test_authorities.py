from __future__ import annotations

import dataclasses
import datetime

import pytest
from cryptography import x509
from fedjobs_hub.certificates import authorities
from fedjobs_hub.certificates.authorities import Authority
from fedjobs_hub.settings import Lifetimes
from fedjobs_protocol.identities.certificates import Issuer, Purpose

LIFETIMES = Lifetimes(
    certificate=datetime.timedelta(hours=24),
    worker=datetime.timedelta(hours=1),
    grace=datetime.timedelta(days=2),
)
OVERLAP = datetime.timedelta(days=3)
SECOND = datetime.timedelta(seconds=1)


@pytest.fixture(scope="module")
def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def first(now: datetime.datetime) -> Authority:
    return authorities.first(now, Issuer.create)


def advanced(authority: Authority, asked: str, now: datetime.datetime) -> Authority:
    return authorities.advanced(authority, asked, now, LIFETIMES, Issuer.create)


def test_the_first_generation_issues_immediately(first: Authority, now: datetime.datetime) -> None:
    assert first.issuing(now) == first.generations[0]
    assert (first.generations[0].silos.purpose, first.generations[0].servers.purpose) == (
        Purpose.CLIENT,
        Purpose.SERVER,
    )


def test_nothing_changes_without_a_reason(first: Authority, now: datetime.datetime) -> None:
    assert advanced(first, "", now + datetime.timedelta(days=30)) is not None
    assert advanced(first, "", now + datetime.timedelta(days=30)) == first


def test_a_rotation_is_trusted_first_then_issues_then_replaces(first: Authority, now: datetime.datetime) -> None:
    rotated = advanced(first, "please", now)
    old, new = rotated.generations
    assert rotated.rotated == "please"
    assert rotated.servers_trust() == old.servers.certificate + new.servers.certificate
    assert rotated.silos_trust() == old.silos.certificate + new.silos.certificate
    assert rotated.issuing(now + OVERLAP - SECOND) == old
    assert rotated.issuing(now + OVERLAP) == new
    still = advanced(rotated, "please", now + OVERLAP + LIFETIMES.certificate)
    assert still == rotated
    after = advanced(rotated, "please", now + OVERLAP + LIFETIMES.certificate + SECOND)
    assert after.generations == (new,)


def test_a_rotation_request_is_handled_once(first: Authority, now: datetime.datetime) -> None:
    rotated = advanced(first, "please", now)
    assert advanced(rotated, "please", now + OVERLAP) == rotated


def test_a_second_request_waits_until_the_first_rotation_issues(first: Authority, now: datetime.datetime) -> None:
    rotated = advanced(first, "please", now)
    assert advanced(rotated, "again", now + OVERLAP - SECOND) == rotated
    assert len(advanced(rotated, "again", now + OVERLAP).generations) == 3


def test_an_authority_rotates_automatically_after_half_of_its_lifetime(
    first: Authority, now: datetime.datetime
) -> None:
    assert advanced(first, "", now + datetime.timedelta(days=180)) == first
    assert len(advanced(first, "", now + datetime.timedelta(days=184)).generations) == 2


def test_names_of_generations_differ(first: Authority, now: datetime.datetime) -> None:
    generations = advanced(first, "please", now + SECOND).generations
    names = {
        x509.load_pem_x509_certificate(issuer.certificate).subject.rfc4514_string()
        for each in generations
        for issuer in (each.silos, each.servers)
    }
    assert len(names) == 4


def test_an_authority_survives_a_round_trip_through_its_secret(first: Authority, now: datetime.datetime) -> None:
    rotated = advanced(first, "please", now)
    data = authorities.written(rotated) | {"somebody's own": "bm90ZQ=="}
    assert authorities.read(data, "please") == rotated


def test_an_incomplete_generation_is_ignored(first: Authority) -> None:
    data = authorities.written(first)
    data.popitem()
    assert authorities.read(data, "") is None


def test_keys_are_not_shown(first: Authority) -> None:
    assert "PRIVATE" not in repr(first)
    assert dataclasses.replace(first, rotated="x") != first
