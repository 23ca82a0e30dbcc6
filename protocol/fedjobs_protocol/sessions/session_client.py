"""The silo's synchronous client of the Session service. Interrupted transfers are resumed.

A call that fails permanently or for too long raises an error of the catalogue. The caller decides whether to retry (see
`fedjobs_common.retries.forever`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import grpc
from fedjobs_common.errors import ErrorCode, FedjobsError, from_grpc
from fedjobs_common.retries import resuming

from fedjobs_protocol.received import received
from fedjobs_protocol.transfers.transfers import Download, Outgoing, Sink, cancelled_when_stalled
from fedjobs_protocol.v1 import session_pb2 as pb

_SERVICE = "/fedjobs.v1.Session"
_SHORT_S = 30.0
_LONG_POLL_S = 60.0  # the coordinator answers an idle poll in under 50 s

Response = TypeVar("Response")


class SessionClient:
    """The calls of one silo to the coordinator of one job. Thread-safe.

    Args:
        channel: From `fedjobs_protocol.identities.channels.open_channel`.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._join = channel.unary_unary(
            f"{_SERVICE}/Join", pb.JoinRequest.SerializeToString, received(pb.JoinResponse)
        )
        self._pull_work = channel.unary_unary(
            f"{_SERVICE}/PullWork", pb.PullWorkRequest.SerializeToString, received(pb.PullWorkResponse)
        )
        self._consent = channel.unary_unary(
            f"{_SERVICE}/Consent", pb.ConsentRequest.SerializeToString, received(pb.ConsentResponse)
        )
        self._heartbeat = channel.unary_unary(
            f"{_SERVICE}/Heartbeat", pb.HeartbeatRequest.SerializeToString, received(pb.HeartbeatResponse)
        )
        self._stat_blob = channel.unary_unary(
            f"{_SERVICE}/StatBlob", pb.StatBlobRequest.SerializeToString, received(pb.StatBlobResponse)
        )
        # The streams of raw bytes need no serializer.
        self._fetch_blob = channel.unary_stream(f"{_SERVICE}/FetchBlob", pb.FetchBlobRequest.SerializeToString, None)
        self._put_blob = channel.stream_unary(f"{_SERVICE}/PutBlob", None, received(pb.PutBlobResponse))

    def join(self, request: pb.JoinRequest) -> pb.JoinResponse:
        """Starts a session. It ends a previous session of this silo."""
        response: pb.JoinResponse = _called(lambda: self._join(request, timeout=_SHORT_S))
        return response

    def pull_work(self, session_id: str, report: pb.Report | None = None) -> pb.PullWorkResponse:
        """Waits up to 50 s for work, and sends the report of the last work. Reports can be sent repeatedly."""
        request = pb.PullWorkRequest(session_id=session_id, report=report)
        response: pb.PullWorkResponse = _called(lambda: self._pull_work(request, timeout=_LONG_POLL_S))
        return response

    def consent(self, session_id: str, consents: Sequence[pb.ShardConsent]) -> None:
        """Answers an offer, or changes an earlier answer. Since version 2 of the protocol."""
        request = pb.ConsentRequest(session_id=session_id, consents=consents)
        _called(lambda: self._consent(request, timeout=_SHORT_S))

    def heartbeat(self, session_id: str, work_id: str = "", state: str = "idle") -> pb.HeartbeatResponse:
        """Reports that the silo is alive, and its current activity."""
        request = pb.HeartbeatRequest(session_id=session_id, work_id=work_id, state=state)
        response: pb.HeartbeatResponse = _called(lambda: self._heartbeat(request, timeout=_SHORT_S))
        return response

    def stat_blob(self, session_id: str, work_id: str) -> int:
        """Returns how many bytes of the upload for this work have arrived."""
        request = pb.StatBlobRequest(session_id=session_id, work_id=work_id)
        return int(_called(lambda: self._stat_blob(request, timeout=_SHORT_S)).committed)

    def fetch_blob(self, session_id: str, digest: bytes, size: int, into: Sink) -> None:
        """Downloads a blob of `size` bytes and verifies its digest (BLAKE3, 32 bytes).

        Raises:
            FedjobsError: BLOB_CORRUPT if the data have another digest (a download into a descriptor is repeated a few
                times before), or the error of the call after all retries.
        """
        self.fetch(session_id, Download(digest, size, into))

    def fetch(self, session_id: str, download: Download) -> None:
        """Continues a download, even one that an earlier session started. See `fetch_blob`."""
        for attempt in resuming(lambda: download.committed):
            with attempt:
                if download.committed < download.size:
                    self._fetch_rest(session_id, download)
                if download.can_start_over or download.committed < download.size:
                    download.verify()
        if not download.can_start_over:
            download.verify()

    def put_blob(self, session_id: str, work_id: str, data: memoryview | bytes | int) -> bytes:
        """Uploads the accumulators of a work item from a contiguous buffer or an open file.

        Returns:
            The digest of the accumulators (BLAKE3, 32 bytes), for the report.

        Raises:
            FedjobsError: The error of the call after all retries.
        """
        outgoing = Outgoing(data)
        try:
            for attempt in resuming(lambda: outgoing.committed):
                with attempt:
                    outgoing.committed = self.stat_blob(session_id, work_id)
                    self._put_rest(session_id, work_id, outgoing)
        finally:
            outgoing.release()
        return outgoing.digest

    def _fetch_rest(self, session_id: str, download: Download) -> None:
        request = pb.FetchBlobRequest(session_id=session_id, digest=download.digest, offset=download.committed)

        def receive() -> None:
            call: Any = self._fetch_blob(request)
            try:
                with cancelled_when_stalled(call, lambda: download.committed):
                    for chunk in call:
                        download.write(chunk)
            finally:
                call.cancel()  # if a chunk could not be written; has no effect on an ended call

        _called(receive)

    def _put_rest(self, session_id: str, work_id: str, outgoing: Outgoing) -> None:
        offset = outgoing.committed
        header = pb.PutBlobHeader(session_id=session_id, work_id=work_id, size=outgoing.size, offset=offset)

        def messages() -> Iterator[bytes]:
            yield header.SerializeToString()
            yield from outgoing.messages(offset)

        def send() -> None:
            call = self._put_blob.future(messages())
            with cancelled_when_stalled(call, lambda: outgoing.sent):
                call.result()

        _called(send)


def _called(call: Callable[[], Response]) -> Response:
    try:
        return call()
    except grpc.FutureCancelledError:
        raise FedjobsError(ErrorCode.UNAVAILABLE, "The transfer was cancelled because it made no progress.") from None
    except grpc.RpcError as error:
        raise from_grpc(error) from error
