"""The operator's client of the Reports service of a job's coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import grpc
import grpc.aio
from fedjobs_common.errors import ErrorCode, FedjobsError, from_grpc
from fedjobs_common.jobs.statuses import Status
from pydantic import ValidationError

from fedjobs_protocol.identities.channels import open_cluster_channel
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.received import received
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.v1 import report_pb2 as pb

_LONGEST_STREAM_S = 60.0  # the coordinator ends one in under 50 s
_SHORT_S = 30.0
_PAUSE_S = 0.2  # between streams: a coordinator that shuts down ends each stream immediately


class ReportsClient:
    """The calls of the operator.

    Args:
        channel: From `fedjobs_protocol.identities.channels.open_cluster_channel`.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._watch = channel.unary_stream(
            "/fedjobs.v1.Reports/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=received(pb.WatchResponse),
        )
        self._exclude = channel.unary_unary(
            "/fedjobs.v1.Reports/Exclude",
            request_serializer=pb.ExcludeRequest.SerializeToString,
            response_deserializer=received(pb.ExcludeResponse),
        )

    async def watch(self) -> AsyncIterator[Status]:
        """Yields the coordinator's status immediately and after each change, at most twice a second.

        It ends after a status with a final phase.

        Raises:
            FedjobsError: The error of the call. UNAVAILABLE if the coordinator does not run (the caller can retry);
                INVALID_CERTIFICATE; CERTIFICATE_EXPIRED (the caller must reconnect with the renewed identity);
                VERSION_MISMATCH for a status that cannot be read.
        """
        last = b""
        while True:
            stream = self._watch(pb.WatchRequest(), timeout=_LONGEST_STREAM_S)
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
                stream.cancel()  # has no effect on an ended stream
            await asyncio.sleep(_PAUSE_S)

    async def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        """Sends the complete list of excluded silos. A silo that is no longer in the list may join again.

        Raises:
            FedjobsError: See `watch`. INTERNAL from a coordinator of an earlier release, which does not support it.
        """
        request = pb.ExcludeRequest(exclusions=[each.to_message() for each in exclusions])
        try:
            await self._exclude(request, timeout=_SHORT_S)
        except grpc.RpcError as error:
            raise from_grpc(error) from error


@asynccontextmanager
async def open_reports(address: str, server_name: str, identity: Identity) -> AsyncIterator[ReportsClient]:
    """Opens a connection to a coordinator.

    Args:
        address: `host:port` to connect to.
        server_name: The name in the coordinator's certificate, see `identities.server_name`.
        identity: The operator's identity.
    """
    async with open_cluster_channel(address, server_name, identity) as channel:
        yield ReportsClient(channel)


async def watch(address: str, server_name: str, identity: Identity) -> AsyncIterator[Status]:
    """Yields the statuses of `ReportsClient.watch` over a separate connection.

    To stop early, close the iterator (`aclosing`) or cancel the task. This also closes the connection.
    """
    async with open_reports(address, server_name, identity) as reports, aclosing(reports.watch()) as statuses:  # type: ignore[type-var]
        async for status in statuses:
            yield status


def _parsed(content: bytes) -> Status:
    try:
        return Status.model_validate_json(content)
    except ValidationError as error:
        raise FedjobsError(
            ErrorCode.VERSION_MISMATCH,
            f"The coordinator's status cannot be read: {error.error_count()} of its fields are invalid.",
            "Run operator and coordinator of the same release.",
        ) from error
