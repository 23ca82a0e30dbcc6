"""The coordinator's side of the session's calls: thin. It unpacks, asks a handler, and maps errors to statuses.

One event loop serves all silos. Chunks are hashed and written in the loop itself: on two cores a thread for it costs
more than it brings.
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
from google.protobuf.message import DecodeError, Message

from fedjobs_protocol.identities.channels import SERVER_OPTIONS, server_credentials
from fedjobs_protocol.identities.identities import Identity, Peer, check_not_expired, peer_of
from fedjobs_protocol.transfers.blobs import BlobSource, Upload
from fedjobs_protocol.v1 import session_pb2 as pb

_LONGEST_DETAILS = 2000  # characters; a longer one would break gRPC's limit on metadata

_log = structlog.get_logger(__name__)
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")


class SessionHandler(Protocol):
    """What a coordinator answers. All is called in the event loop; a FedjobsError becomes the status of the call."""

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse: ...

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        """Returns after 50 s at the latest, with or without work."""

    async def consent(self, peer: Peer, request: pb.ConsentRequest) -> pb.ConsentResponse: ...

    async def heartbeat(self, peer: Peer, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse: ...

    async def stat_blob(self, peer: Peer, request: pb.StatBlobRequest) -> pb.StatBlobResponse: ...

    async def open_blob(self, peer: Peer, request: pb.FetchBlobRequest) -> BlobSource:
        """The blob of this digest if this silo may have it, otherwise BLOB_NOT_FOUND, whether it is there or not."""

    async def open_upload(self, peer: Peer, header: pb.PutBlobHeader) -> Upload:
        """The upload for this work, the same one however often it is opened; refuses a size that the work has not."""

    async def upload_finished(self, peer: Peer, header: pb.PutBlobHeader, upload: Upload, ok: bool) -> None:
        """All bytes have come; `ok` when they have the digest that was announced, else the upload starts over."""

    def transferred(self, peer: Peer, *, down: int = 0, up: int = 0) -> None:
        """Counts bytes to and from a silo; called for each chunk and each message."""


class SessionServer:
    """Serves the sessions of one job.

    Args:
        handler: Answers.
        identity: The coordinator's as it is now; its certificate also says which job this is. Silos of other jobs are
            refused.
        listen: `host:port`; port 0 chooses one.
        further: Services that share the port; who may call them is theirs to check.
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
        """Which call is the newest for an upload."""

    async def start(self) -> int:
        """Listens.

        Returns:
            The port.

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
        """Takes no new calls, gives the current ones `grace_s` seconds to end, and ends the others."""
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
                "FetchBlob": grpc.unary_stream_rpc_method_handler(
                    self._fetch_blob, request_deserializer=pb.FetchBlobRequest.FromString
                ),
                "PutBlob": grpc.stream_unary_rpc_method_handler(
                    self._put_blob, response_serializer=pb.PutBlobResponse.SerializeToString
                ),
            },
        )

    def _unary(
        self, answer: Callable[[Peer, Request], Awaitable[Response]], request_type: type[Request]
    ) -> grpc.RpcMethodHandler[Request, Response]:
        async def serve(request: Request, context: Any) -> Response:
            async def counted(peer: Peer) -> Response:
                response = await answer(peer, request)
                self._handler.transferred(peer, down=response.ByteSize(), up=request.ByteSize())
                return response

            return await self._guarded(context, counted)

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=request_type.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

    async def _fetch_blob(self, request: pb.FetchBlobRequest, context: Any) -> None:
        async def send(peer: Peer) -> None:
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
            header = _header(await anext(messages, b""))
            key = (peer, header.work_id)
            # From here on an older call for the same work, whose link may be dead without its knowing, writes no more.
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
                ErrorCode.BLOB_TOO_LARGE, f"The upload announces {header.size} bytes, the work asks for {upload.size}."
            )
        if header.offset != upload.committed:
            raise _wrong_offset(header.offset, upload.committed)
        async for message in messages:
            if not is_newest():
                raise FedjobsError(ErrorCode.BLOB_OFFSET, "A newer upload of the same work has taken over.")
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
            raise FedjobsError(
                ErrorCode.BLOB_TOO_LARGE, f"The upload has more than the {upload.size} bytes that it announced."
            )
        ok = upload.finish(digest)
        await self._handler.upload_finished(peer, header, upload, ok)
        if not ok:
            raise FedjobsError(
                ErrorCode.BLOB_CORRUPT, "What arrived has another digest than what was sent.", "Send it again."
            )
        return pb.PutBlobResponse(committed=upload.committed)

    async def _guarded(self, context: Any, answer: Callable[[Peer], Awaitable[Result]]) -> Result:
        """Answers a silo of this job, and ends the call with the right status when that fails."""
        silo = ""
        try:
            proof = context.auth_context()
            peer = peer_of(proof)
            silo = peer.silo
            check_not_expired(proof)
            if peer.job_uid != self._job_uid:
                raise FedjobsError(
                    ErrorCode.WRONG_CERTIFICATE,
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
            failure = FedjobsError(ErrorCode.INTERNAL, "The coordinator failed; its log says why.")
        status, details = to_grpc(failure)
        await context.abort(status, details[:_LONGEST_DETAILS])
        raise AssertionError("abort does not return")


def _header(message: bytes) -> pb.PutBlobHeader:
    try:
        header = pb.PutBlobHeader.FromString(message)
    except DecodeError:
        header = pb.PutBlobHeader()
    if not header.work_id:
        raise FedjobsError(ErrorCode.WORK_UNKNOWN, "The upload does not begin with a header that names its work.")
    return header


def _wrong_offset(offset: int, expected: int) -> FedjobsError:
    return FedjobsError(ErrorCode.BLOB_OFFSET, f"The transfer would go on at byte {offset}; it has come to {expected}.")


def _not_listening(listen: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.PORT_IN_USE,
        f"The coordinator cannot listen on {listen}.",
        "End the process that uses the port, or choose another one.",
    )
