"""The thread that tells the coordinator about decisions."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.consent.consents import Computation, Consent, message_of
from fedjobs_worker.consent.policies import Allowed
from fedjobs_worker.sessions import consent_watches
from fedjobs_worker.sessions.consent_watches import ConsentWatch

DIGEST = Digest("ab" * 32)
COMPUTATION = Computation(DIGEST, shard_pb2.Shard(), frozenset(), offer="scope")


class Waiting:
    """Decisions of which one changes, after looking for them has failed."""

    waiting = True

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self._said = False

    def changed(self) -> list[tuple[Computation, Consent]]:
        if self._errors:
            raise self._errors.pop(0)
        changed: list[tuple[Computation, Consent]] = [] if self._said else [(COMPUTATION, Allowed())]
        self._said = True
        return changed


class Client:
    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.told: list[pb.ShardConsent] = []
        self.arrived = threading.Event()

    def consent(self, session_id: str, consents: list[pb.ShardConsent]) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.told += consents
        self.arrived.set()


ERRORS = (OSError(28, "No space left on device"), ValueError("unexpected"), FedjobsError(ErrorCode.DISK_FULL, "full"))


@pytest.mark.parametrize("where", ["looking", "telling"])
def test_it_goes_on_after_an_unexpected_error(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(consent_watches, "_LOOK_S", 0.001)
    consents: Any = Waiting(*ERRORS if where == "looking" else ())
    client: Any = Client(*ERRORS if where == "telling" else ())
    watch = ConsentWatch(client, consents, message_of)
    watch.follow("session")
    assert client.arrived.wait(20)
    watch.stop()
    assert [(told.shard.hex(), told.scope) for told in client.told] == [(DIGEST, "scope")]
