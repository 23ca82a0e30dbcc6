"""The hub keeps each token for a day and limits their number per silo, so the agent reuses tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fedjobs_agent.identity.job_identities import JobIdentities
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import JobUid, SiloName
from fedjobs_protocol.identities.identities import Identity, RunAuthority

from tests.agent.builders import JOB

IDENTITY = RunAuthority.create().issue_silo(JobUid(JOB), SiloName("hospital-a"))


class Hub:
    """Both of the hub's services. At first, the one for callers without a certificate cannot be reached."""

    def __init__(self, *refusals: ErrorCode) -> None:
        self.refusals = list(refusals)
        self.tokens = 0
        self.used: list[tuple[str, bytes]] = []

    @contextlib.contextmanager
    def hub(self, _identity: Identity) -> Iterator[Hub]:
        yield self

    @contextlib.contextmanager
    def enrolment(self, _trust: bytes) -> Iterator[Hub]:
        yield self

    def create_worker_token(self, _job_uid: str) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def issue_worker(self, token: str, key: bytes) -> Identity:
        self.used.append((token, key))
        if self.refusals:
            raise FedjobsError(self.refusals.pop(0), "not now")
        return IDENTITY

    def current(self) -> Identity:
        return IDENTITY


def identities(hub: Hub) -> JobIdentities:
    return JobIdentities(lambda: cast(Any, hub), cast(Any, hub))


def ask(asked: JobIdentities, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(FedjobsError):
            asked.identity(JOB)


def test_a_token_without_a_certificate_is_reused_with_the_same_key() -> None:
    hub = Hub(*[ErrorCode.UNAVAILABLE] * 4)
    ask(identities(hub), 5)
    assert hub.tokens == 1
    assert len(hub.used) == 5
    assert len(set(hub.used)) == 1


def test_a_token_that_the_hub_refuses_is_not_used_again() -> None:
    hub = Hub(ErrorCode.INVALID_TOKEN)
    asked = identities(hub)
    with pytest.raises(FedjobsError):
        asked.identity(JOB)
    assert asked.identity(JOB) is IDENTITY
    assert [token for token, _ in hub.used] == ["token-1", "token-2"]
