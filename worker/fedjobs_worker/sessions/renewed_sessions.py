"""A session client that switches to a new connection when its certificate is renewed.

A connection keeps the certificate that it was opened with. So each call checks for a newer certificate, and opens a new
connection if there is one. A call in progress, such as a long upload, finishes on the old connection.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.renewals import Renewing
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb

_RENEWAL_S = 30.0
Result = TypeVar("Result")


@dataclass
class _Connection:
    identity: Identity
    channel: grpc.Channel
    client: SessionClient
    calls: int = 0


class RenewedSessionClient(SessionClient):
    """A `SessionClient` that uses the newest identity. Thread-safe.

    Args:
        renewing: Renews the identity.
        connect: Opens a channel with an identity.
    """

    def __init__(self, renewing: Renewing, connect: Callable[[Identity], grpc.Channel]) -> None:
        self._renewing = renewing
        self._connect = connect
        self._lock = threading.Lock()
        self._newest: _Connection | None = None

    def join(self, request: pb.JoinRequest) -> pb.JoinResponse:
        return self._on_newest(lambda client: client.join(request))

    def pull_work(self, session_id: str, report: pb.Report | None = None) -> pb.PullWorkResponse:
        return self._on_newest(lambda client: client.pull_work(session_id, report))

    def consent(self, session_id: str, consents: Sequence[pb.ShardConsent]) -> None:
        self._on_newest(lambda client: client.consent(session_id, consents))

    def heartbeat(self, session_id: str, work_id: str = "", state: str = "idle") -> pb.HeartbeatResponse:
        return self._on_newest(lambda client: client.heartbeat(session_id, work_id, state))

    def stat_blob(self, session_id: str, work_id: str) -> int:
        return self._on_newest(lambda client: client.stat_blob(session_id, work_id))

    def fetch(self, session_id: str, download: Download) -> None:
        self._on_newest(lambda client: client.fetch(session_id, download))

    def put_blob(self, session_id: str, work_id: str, data: memoryview | bytes | int) -> bytes:
        return self._on_newest(lambda client: client.put_blob(session_id, work_id, data))

    def close(self) -> None:
        """Closes the newest connection."""
        with self._lock:
            if self._newest is not None:
                self._newest.channel.close()

    def _on_newest(self, call: Callable[[SessionClient], Result]) -> Result:
        """Makes a call. Repeats it once if the certificate has just expired and a newer one is available."""
        for last in (False, True):
            with self._connection() as connection:
                try:
                    return call(connection.client)
                except FedjobsError as error:
                    identity = connection.identity
                    if error.code is not ErrorCode.CERTIFICATE_EXPIRED:
                        raise
                    self._renewing.hurry(identity)
                    if last or self._renewing.after(identity, _RENEWAL_S) == identity:
                        failure = self._renewing.failure
                        if failure is not None and not failure.retryable:
                            raise failure from error
                        raise FedjobsError(ErrorCode.UNAVAILABLE, error.message, error.remedy) from error
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[_Connection]:
        identity = self._renewing.current()
        with self._lock:
            if self._newest is None or self._newest.identity != identity:
                if self._newest is not None and self._newest.calls == 0:
                    self._newest.channel.close()
                channel = self._connect(identity)
                self._newest = _Connection(identity, channel, SessionClient(channel))
            connection = self._newest
            connection.calls += 1
        try:
            yield connection
        finally:
            with self._lock:
                connection.calls -= 1
                if connection is not self._newest and connection.calls == 0:
                    connection.channel.close()
