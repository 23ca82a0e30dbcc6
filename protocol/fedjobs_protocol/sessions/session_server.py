"""The coordinator's server of the Session service. It decodes calls, calls a handler, and maps errors to statuses.

One event loop serves all silos. The loop itself hashes and writes chunks, because on two cores a thread would be
slower.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
import structlog
from fedjobs_common import digests
from fedjobs_common.chunks import read_chunks
from fedjobs_common.errors import ErrorCode, FedjobsError, to_grpc
from google.protobuf.message import Message

from fedjobs_protocol.identities.channels import SERVER_OPTIONS, server_credentials
from fedjobs_protocol.identities.identities import Identity, Peer, check_not_expired, peer_of
from fedjobs_protocol.requests import decode
from fedjobs_protocol.transfers.blobs import BlobSource, Upload
from fedjobs_protocol.v1 import session_pb2 as pb

_LONGEST_DETAILS = 2000  # characters; longer details would exceed gRPC's limit on metadata

_log = structlog.get_logger(__name__)
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")


class SessionHandler(Protocol):
    """The coordinator's implementation of the calls, in the event loop. A FedjobsError becomes a gRPC status."""

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse: ...

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        """Returns work, or a response without work within 50 s."""

    async def consent(self, peer: Peer, request: pb.ConsentRequest) -> pb.ConsentResponse: ...

    async def heartbeat(self, peer: Peer, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse: ...

    async def stat_blob(self, peer: Peer, request: pb.StatBlobRequest) -> pb.StatBlobResponse: ...

    async def open_blob(self, peer: Peer, request: pb.FetchBlobRequest) -> BlobSource:
        """Returns a blob that this silo may read. Otherwise raises BLOB_NOT_FOUND, even if the blob exists."""

    async def open_upload(self, peer: Peer, header: pb.PutBlobHeader) -> Upload:
        """Returns the upload for this work, the same object for each call. Rejects a size that does not fit."""

    async def upload_finished(self, peer: Peer, header: pb.PutBlobHeader, upload: Upload, ok: bool) -> None:
        """Handles a complete upload. `ok` says whether its digest is correct. If not, the upload starts over."""

    def transferred(self, peer: Peer, *, down: int = 0, up: int = 0) -> None:
        """Counts the bytes to and from a silo. Called for each chunk and each message."""


class SessionServer:
    """Serves the sessions of one job.

    Args:
        handler: Implements the calls.
        identity: Returns the coordinator's current identity. Its certificate names the job. Silos with certificates
            for other jobs are rejected.
        listen: `host:port`. Port 0 chooses a free port.
        further: Other services on the same port. They check their callers themselves.
    """

    def __init__(
        self,
        handler: SessionHandler,
        identity: Callable[[], Identity],
        listen: str,
        further: Sequence[grpc.GenericRpcHandler[Any, Any]] = (),
    ) -> None:
        self._handler = handler
        self._further = tuple(further)
        self._job_uid = identity().job_uid
        self._identity = identity
        self._listen = listen
        self._server: grpc.aio.Server | None = None
        self._uploading: dict[tuple[Peer, str], object] = {}
        """The newest call for each upload."""

    async def start(self) -> int:
        """Starts the server.

        Returns:
            The port that it listens on.

        Raises:
            FedjobsError: PORT_IN_USE.
        """
        server = grpc.aio.server(options=SERVER_OPTIONS)
        server.add_generic_rpc_handlers((self._handlers(), *self._further))
        try:
            port = server.add_secure_port(self._listen, server_credentials(self._identity))
        except RuntimeError as error:
            raise _not_listening(self._listen) from error
        if port == 0:
            raise _not_listening(self._listen)
        await server.start()
        self._server = server
        return port

    async def stop(self, grace_s: float) -> None:
        """Rejects new calls, waits up to `grace_s` seconds for current calls, and cancels the others."""
        if self._server is not None:
            await self._server.stop(grace_s)

    def _handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        handler = self._handler
        return grpc.method_handlers_generic_handler(
            "fedjobs.v1.Session",
            {
                "Join": self._unary(handler.join, pb.JoinRequest),
                "PullWork": self._unary(handler.pull_work, pb.PullWorkRequest),
                "Consent": self._unary(handler.consent, pb.ConsentRequest),
                "Heartbeat": self._unary(handler.heartbeat, pb.HeartbeatRequest),
                "StatBlob": self._unary(handler.stat_blob, pb.StatBlobRequest),
                "FetchBlob": grpc.unary_stream_rpc_method_handler(self._fetch_blob),
                "PutBlob": grpc.stream_unary_rpc_method_handler(
                    self._put_blob, response_serializer=pb.PutBlobResponse.SerializeToString
                ),
            },
        )

    def _unary(
        self, answer: Callable[[Peer, Request], Awaitable[Response]], request_type: type[Request]
    ) -> grpc.RpcMethodHandler[bytes, Response]:
        async def serve(request: bytes, context: Any) -> Response:
            async def counted(peer: Peer) -> Response:
                response = await answer(peer, decode(request_type, request))
                self._handler.transferred(peer, down=response.ByteSize(), up=len(request))
                return response

            return await self._guarded(context, counted)

        return grpc.unary_unary_rpc_method_handler(
            serve,
            response_serializer=lambda response: response.SerializeToString(),
        )

    async def _fetch_blob(self, message: bytes, context: Any) -> None:
        async def send(peer: Peer) -> None:
            request = decode(pb.FetchBlobRequest, message)
            source = await self._handler.open_blob(peer, request)
            try:
                if request.offset > source.size:
                    raise _wrong_offset(request.offset, source.size)
                for chunk in read_chunks(source.fd, request.offset, source.size):
                    await context.write(chunk)
                    self._handler.transferred(peer, down=len(chunk))
            finally:
                if source.released is not None:
                    source.released()

        await self._guarded(context, send)

    async def _put_blob(self, messages: AsyncIterator[bytes], context: Any) -> pb.PutBlobResponse:
        async def receive(peer: Peer) -> pb.PutBlobResponse:
            header = decode(pb.PutBlobHeader, await anext(messages, b""))
            key = (peer, header.work_id)
            # An older call for the same work must not write any more. It may not have noticed its dead connection yet.
            this_call = self._uploading[key] = object()
            try:
                return await self._receive(peer, header, messages, lambda: self._uploading.get(key) is this_call)
            finally:
                if self._uploading.get(key) is this_call:
                    del self._uploading[key]

        return await self._guarded(context, receive)

    async def _receive(
        self, peer: Peer, header: pb.PutBlobHeader, messages: AsyncIterator[bytes], is_newest: Callable[[], bool]
    ) -> pb.PutBlobResponse:
        upload = await self._handler.open_upload(peer, header)
        if header.size != upload.size:
            raise FedjobsError(
                ErrorCode.BLOB_TOO_LARGE, f"The upload announces {header.size} bytes, the work expects {upload.size}."
            )
        if header.offset != upload.committed:
            raise _wrong_offset(header.offset, upload.committed)
        async for message in messages:
            if not is_newest():
                raise FedjobsError(
                    ErrorCode.BLOB_OFFSET_MISMATCH, "A newer upload of the same work has replaced this one."
                )
            if not message:
                raise FedjobsError(ErrorCode.BLOB_CORRUPT, "The upload has an empty message.")
            self._handler.transferred(peer, up=len(message))
            if upload.committed < upload.size:
                upload.write(message)
                continue
            return await self._finish(peer, header, upload, message)
        raise FedjobsError(
            ErrorCode.BLOB_CORRUPT,
            f"The upload ended after {upload.committed} of {upload.size} bytes, without a digest.",
        )

    async def _finish(self, peer: Peer, header: pb.PutBlobHeader, upload: Upload, digest: bytes) -> pb.PutBlobResponse:
        if len(digest) != digests.SIZE:
            raise FedjobsError(ErrorCode.BLOB_TOO_LARGE, f"The upload has more than the announced {upload.size} bytes.")
        ok = upload.finish(digest)
        await self._handler.upload_finished(peer, header, upload, ok)
        if not ok:
            raise FedjobsError(
                ErrorCode.BLOB_CORRUPT,
                "The received data have another digest than the sent data.",
                "Upload them again.",
            )
        return pb.PutBlobResponse(committed=upload.committed)

    async def _guarded(self, context: Any, answer: Callable[[Peer], Awaitable[Result]]) -> Result:
        """Checks that the caller is a silo of this job, and aborts the call with the status of an error."""
        silo = ""
        try:
            proof = context.auth_context()
            peer = peer_of(proof)
            silo = peer.silo
            check_not_expired(proof)
            if peer.job_uid != self._job_uid:
                raise FedjobsError(
                    ErrorCode.INVALID_CERTIFICATE,
                    f"The certificate of silo {peer.silo} is for job {peer.job_uid}; this is job {self._job_uid}.",
                    "Give the worker the certificate that was issued to it for this job.",
                )
            with structlog.contextvars.bound_contextvars(silo=silo):
                return await answer(peer)
        except FedjobsError as error:
            failure = error
        except grpc.aio.BaseError:
            raise
        except Exception:
            _log.exception("a call failed", silo=silo)
            failure = FedjobsError(ErrorCode.INTERNAL, "The coordinator failed. See its log.")
        status, details = to_grpc(failure)
        await context.abort(status, details[:_LONGEST_DETAILS])
        raise AssertionError("abort does not return")


def _wrong_offset(offset: int, expected: int) -> FedjobsError:
    return FedjobsError(
        ErrorCode.BLOB_OFFSET_MISMATCH, f"The transfer must continue at byte {expected}, not at byte {offset}."
    )


def _not_listening(listen: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.PORT_IN_USE,
        f"The coordinator cannot listen on {listen}.",
        "Stop the process that uses the port, or choose another port.",
    )
