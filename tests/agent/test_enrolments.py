"""How a silo gets its identity, with a real hub."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from fedjobs_agent.identity.enrolments import Enrolment
from fedjobs_agent.identity.identity_stores import FolderStore
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.identities import renewals

from tests.agent.federations import SILO, AgentFederation

pytestmark = [pytest.mark.api_server, pytest.mark.processes]


class ASilo:
    """A silo with a folder and a token."""

    def __init__(self, folder: Path, federation: AgentFederation, name: str = SILO) -> None:
        self.store = FolderStore(folder)
        self.token: str | None = federation.token()
        self.name = name
        self._dial = federation.door.address

    def enrolment(self, off: datetime.timedelta = datetime.timedelta()) -> Enrolment:
        """Returns the enrolment of a new process whose clock is off by this much."""
        return Enrolment(self.name, self.store, lambda: self.token, self._dial, lambda: renewals.now() + off)


@pytest.fixture
def silo(federation: AgentFederation, tmp_path: Path) -> ASilo:
    return ASilo(tmp_path / "identity", federation)


def code_of(enrolment: Enrolment) -> ErrorCode:
    with pytest.raises(FedjobsError) as caught:
        enrolment.obtain()
    return caught.value.code


def test_the_silo_creates_its_key_and_uses_it_for_all_certificates(silo: ASilo) -> None:
    identity = silo.enrolment().obtain()
    assert silo.enrolment().obtain() == identity
    silo.token = None  # the silo needs the token only once
    enrolment = silo.enrolment()
    renewed = enrolment.renew(enrolment.obtain())
    assert (renewed.key, renewed.certificate == identity.certificate) == (identity.key, False)
    assert silo.enrolment().obtain() == renewed


def test_a_lost_response_does_not_use_up_the_token(silo: ASilo) -> None:
    identity = silo.enrolment().obtain()
    silo.store._folder.joinpath("tls.crt").unlink()
    again = silo.enrolment().obtain()
    assert again.key == identity.key


def test_without_a_token_there_is_no_identity(silo: ASilo) -> None:
    silo.token = None
    assert code_of(silo.enrolment()) is ErrorCode.INVALID_TOKEN


def test_another_silos_token_is_refused_without_a_call(silo: ASilo) -> None:
    silo.name = "hospital-b"
    assert code_of(silo.enrolment()) is ErrorCode.INVALID_TOKEN
    assert not silo.store.read()


def test_a_token_that_was_used_elsewhere_is_refused_and_the_first_one_stays(
    silo: ASilo, federation: AgentFederation, tmp_path: Path
) -> None:
    identity = silo.enrolment().obtain()
    thief = ASilo(tmp_path / "thief", federation)
    assert code_of(thief.enrolment()) is ErrorCode.INVALID_TOKEN
    enrolment = silo.enrolment()
    assert enrolment.renew(enrolment.obtain()).key == identity.key


@pytest.mark.parametrize("change", ["cut", "nonsense"])
def test_an_invalid_token_is_refused(silo: ASilo, federation: AgentFederation, change: str) -> None:
    silo.token = federation.token()[:-8] if change == "cut" else "fedjobs1.nonsense"
    assert code_of(silo.enrolment()) is ErrorCode.INVALID_TOKEN
    assert "tls.crt" not in silo.store.read()


def test_a_server_that_impersonates_the_hub_gets_no_token(silo: ASilo, federation: AgentFederation) -> None:
    token = silo_tokens.decoded(federation.token())
    from fedjobs_protocol.identities.identities import RunAuthority

    other = RunAuthority.create().coordinators.certificate.decode()
    silo.token = token.model_copy(update={"trust": other}).encoded()
    assert code_of(silo.enrolment()) is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_wrong_clock_does_not_matter(silo: ASilo, minutes: int) -> None:
    off = datetime.timedelta(minutes=minutes)
    enrolment = silo.enrolment(off)
    identity = enrolment.obtain()
    assert enrolment.renew(identity).key == identity.key


@pytest.mark.parametrize("token", ["refused", "another silo's", "damaged"])
def test_a_refused_token_does_not_change_an_enrolled_silo(silo: ASilo, federation: AgentFederation, token: str) -> None:
    identity = silo.enrolment().obtain()
    known = silo_tokens.decoded(federation.token())
    silo.token = {
        "refused": known.model_copy(update={"secret": silo_tokens.new_secret()}).encoded(),
        "another silo's": known.model_copy(update={"silo": "another"}).encoded(),
        "damaged": known.encoded()[:-20],
    }[token]
    enrolment = silo.enrolment()
    assert enrolment.obtain() == identity
    renewed = enrolment.renew(identity)
    assert (renewed.key, renewed.certificate == identity.certificate) == (identity.key, False)
