"""The operator's side of what it hears from, and says to, the coordinator of one job."""

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
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.v1 import report_pb2 as pb

_LONGEST_STREAM_S = 60.0  # the coordinator ends one in under 50 s
_SHORT_S = 30.0
_PAUSE_S = 0.2  # between streams: a coordinator that is about to end ends each at once


class ReportsClient:
    """The calls of the operator.

    Args:
        channel: From `fedjobs_protocol.identities.channels.open_cluster_channel`.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._watch = channel.unary_stream(
            "/fedjobs.v1.Reports/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.WatchResponse.FromString,
        )
        self._exclude = channel.unary_unary(
            "/fedjobs.v1.Reports/Exclude",
            request_serializer=pb.ExcludeRequest.SerializeToString,
            response_deserializer=pb.ExcludeResponse.FromString,
        )

    async def watch(self) -> AsyncIterator[Status]:
        """The coordinator's status at once, and again whenever it has changed, twice a second at most.

        Ends after the last status, whose phase is final.

        Raises:
            FedjobsError: What ended the call: UNAVAILABLE when the coordinator is not there (yet, or any more), which
                is for the caller to try again; WRONG_CERTIFICATE; CERTIFICATE_EXPIRED: connect again, with the next
                one; VERSION_MISMATCH for a status that cannot be read.
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
                stream.cancel()  # does nothing to one that has ended
            await asyncio.sleep(_PAUSE_S)

    async def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        """Tells all silos that take part no more; who was told before, and is not among them, may join again.

        Raises:
            FedjobsError: As `watch`; INTERNAL from a coordinator of an earlier release, which cannot do it.
        """
        request = pb.ExcludeRequest(exclusions=[each.to_message() for each in exclusions])
        try:
            await self._exclude(request, timeout=_SHORT_S)
        except grpc.RpcError as error:
            raise from_grpc(error) from error


@asynccontextmanager
async def open_reports(address: str, server_name: str, identity: Identity) -> AsyncIterator[ReportsClient]:
    """A connection to a coordinator.

    Args:
        address: `host:port` to dial.
        server_name: The name in the coordinator's certificate, see `identities.server_name`.
        identity: The operator's.
    """
    async with open_cluster_channel(address, server_name, identity) as channel:
        yield ReportsClient(channel)


async def watch(address: str, server_name: str, identity: Identity) -> AsyncIterator[Status]:
    """`ReportsClient.watch` on a connection of its own.

    To leave it before its end, close the iterator (`aclosing`) or cancel the task: the connection ends with it.
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
            f"The coordinator's status cannot be read: {error.error_count()} of its fields are not as expected.",
            "Run operator and coordinator of the same release.",
        ) from error
