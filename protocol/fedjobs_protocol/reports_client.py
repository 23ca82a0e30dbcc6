"""The operator's side of what it hears from coordinators: an iterator over the statuses of one job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
from pydantic import ValidationError

from fedjobs_protocol.channels import open_cluster_channel
from fedjobs_protocol.errors import ErrorCode, FedjobsError, from_grpc
from fedjobs_protocol.identities import Identity
from fedjobs_protocol.statuses import Status
from fedjobs_protocol.v1 import report_pb2 as pb

_LONGEST_STREAM_S = 60.0  # the coordinator ends one in under 50 s
_PAUSE_S = 0.2  # between streams: a coordinator that is about to end ends each at once


async def watch(address: str, server_name: str, identity: Identity) -> AsyncIterator[Status]:
    """The coordinator's status at once, and again whenever it has changed, twice a second at most.

    Ends after the last status, whose phase is final. To leave it before that, close the iterator (`aclosing`) or
    cancel the task: the connection ends with it.

    Args:
        address: `host:port` to dial.
        server_name: The name in the coordinator's certificate, see `identities.server_name`.
        identity: The operator's, `RunAuthority.issue_operator`.

    Raises:
        FedjobsError: What ended the call: UNAVAILABLE when the coordinator is not there (yet, or any more), which is
            for the caller to try again; WRONG_CERTIFICATE; VERSION_MISMATCH for a status that cannot be read.
    """
    async with open_cluster_channel(address, server_name, identity) as channel:
        call = channel.unary_stream(
            "/fedjobs.v1.Reports/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.WatchResponse.FromString,
        )
        last = b""
        while True:
            stream = call(pb.WatchRequest(), timeout=_LONGEST_STREAM_S)
            try:
                async for response in stream:
                    if response.status == last:
                        continue
                    last = response.status
                    status = _parsed(last)
                    yield status
                    if status.phase.is_final:
                        return
            except grpc.RpcError as error:
                raise from_grpc(error) from error
            finally:
                stream.cancel()  # does nothing to one that has ended
            await asyncio.sleep(_PAUSE_S)


def _parsed(content: bytes) -> Status:
    try:
        return Status.model_validate_json(content)
    except ValidationError as error:
        raise FedjobsError(
            ErrorCode.VERSION_MISMATCH,
            f"The coordinator's status cannot be read: {error.error_count()} of its fields are not as expected.",
            "Run operator and coordinator of the same release.",
        ) from error
