"""How a worker gets and renews its certificate. The hub is a fake."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub.hub_client import EnrolmentClient, HubClient
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import Identity, RunAuthority, worker_uri
from fedjobs_worker.sessions.hub_identities import WorkerIdentity

JOB, SILO = "0f8e7d6c-5b4a-4938-a716-253443526170", "hospital-a"
HOUR = datetime.timedelta(hours=1)
AUTHORITY = RunAuthority.create()


@dataclass(frozen=True)
class MemoryLink(HubLink):
    """A hub in memory. A token is bound to the first key that uses it."""

    keys: list[bytes] = field(default_factory=list)
    lifetime: list[datetime.timedelta] = field(default_factory=lambda: [HOUR])
    troubles: list[FedjobsError] = field(default_factory=list)
    """The errors of the next renewals."""

    @contextlib.contextmanager
    def enrolment(self, trust: bytes) -> Iterator[EnrolmentClient]:
        assert trust
        yield self  # type: ignore[misc]

    @contextlib.contextmanager
    def hub(self, identity: Identity) -> Iterator[HubClient]:
        assert identity
        yield self  # type: ignore[misc]

    def issue_worker(self, token: str, key: bytes) -> Identity:
        assert token == "one-time"
        self.keys.append(key)
        if key != self.keys[0]:
            raise FedjobsError(ErrorCode.INVALID_TOKEN, "The token is another key's.")
        return self._identity(key)

    def renew(self, identity: Identity) -> Identity:
        if self.troubles:
            raise self.troubles.pop(0)
        return self._identity(identity.key)

    def _identity(self, key: bytes) -> Identity:
        public = keys.requested_key(keys.signing_request(key))
        uri = worker_uri(JOB, SILO)
        certificate = AUTHORITY.silos.certify(public, SILO, uri=uri, lifetime=self.lifetime[-1])
        return Identity(certificate, key, AUTHORITY.coordinators.certificate)


@pytest.fixture
def link() -> MemoryLink:
    return MemoryLink("127.0.0.1:1", "fedjobs.example.org")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("one-time\n")
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.coordinators.certificate)
    return tmp_path


def a_worker(link: HubLink, files: Path) -> WorkerIdentity:
    return WorkerIdentity(link, files / "token", files / "ca.crt", files / "state")


def test_the_worker_creates_its_key_which_stays_in_its_folder(link: MemoryLink, files: Path) -> None:
    identity = a_worker(link, files).obtain()
    assert identity.job_uid == JOB
    path = files / "state/identity/tls.key"
    assert path.read_bytes() == identity.key
    assert path.stat().st_mode & 0o077 == 0


def test_a_restarted_worker_makes_no_calls(link: MemoryLink, files: Path) -> None:
    identity = a_worker(link, files).obtain()
    (files / "token").unlink()
    assert a_worker(link, files).obtain() == identity


def test_a_lost_response_does_not_use_up_the_token(link: MemoryLink, files: Path) -> None:
    a_worker(link, files).obtain()
    (files / "state/identity/tls.crt").unlink()
    assert a_worker(link, files).obtain().job_uid == JOB
    assert len(set(link.keys)) == 1


def test_the_token_is_invalid_in_another_pod(link: MemoryLink, files: Path) -> None:
    a_worker(link, files).obtain()
    other = WorkerIdentity(link, files / "token", files / "ca.crt", files / "another-state")
    with pytest.raises(FedjobsError) as caught:
        other.obtain()
    assert caught.value.code is ErrorCode.INVALID_TOKEN


def test_a_renewed_certificate_is_stored(link: MemoryLink, files: Path) -> None:
    worker = a_worker(link, files)
    renewed = worker.renew(worker.obtain())
    assert a_worker(link, files).obtain() == renewed


@pytest.mark.parametrize("code", [ErrorCode.CERTIFICATE_EXPIRED, ErrorCode.UNAVAILABLE])
def test_after_the_certificate_expired_the_token_can_be_used_again(
    link: MemoryLink, files: Path, code: ErrorCode
) -> None:
    link.lifetime.append(datetime.timedelta(seconds=-1))
    worker = a_worker(link, files)
    expired = worker.obtain()
    link.lifetime.append(HOUR)
    link.troubles.append(FedjobsError(code, "no"))
    assert worker.renew(expired).expires > expired.expires


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_wrong_clock_does_not_matter(link: MemoryLink, files: Path, minutes: int) -> None:
    off = datetime.timedelta(minutes=minutes)
    worker = WorkerIdentity(
        link, files / "token", files / "ca.crt", files / "state", lambda: datetime.datetime.now(datetime.UTC) + off
    )
    identity = worker.obtain()
    assert worker.obtain() == identity
    assert worker.renew(identity).key == identity.key
    assert len(link.keys) == 1


def test_an_unavailable_hub_gets_no_further_calls_after_a_failed_renewal(link: MemoryLink, files: Path) -> None:
    worker = a_worker(link, files)
    identity = worker.obtain()
    link.troubles.append(FedjobsError(ErrorCode.UNAVAILABLE, "away"))
    with pytest.raises(FedjobsError, match="away"):
        worker.renew(identity)
    assert len(link.keys) == 1
