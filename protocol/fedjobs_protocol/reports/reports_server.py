"""The coordinator's Reports service. Only the operator may call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import grpc
import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError, to_grpc

from fedjobs_protocol.identities.identities import check_not_expired, check_operator
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.requests import decode
from fedjobs_protocol.v1 import report_pb2 as pb

_log = structlog.get_logger(__name__)

Exclude = Callable[[Sequence[Exclusion]], None]
"""Called with the complete list of excluded silos."""


class ReportsHandler(Protocol):
    """The coordinator's implementation of the service. Called in the event loop."""

    def watch(self) -> AsyncIterator[bytes]:
        """The status as JSON, at once and whenever it has changed; ends after 50 s at the latest."""


def service(handler: ReportsHandler, exclude: Exclude) -> grpc.GenericRpcHandler[Any, Any]:
    """Returns the service, which shares the server of the Session service (see `session_server.SessionServer`).

    Args:
        handler: Provides the status.
        exclude: Handles exclusions. Called in the event loop.
    """

    async def watch(_: bytes, context: Any) -> AsyncIterator[pb.WatchResponse]:
        try:
            _check(context)
            async for status in handler.watch():
                yield pb.WatchResponse(status=status)
            return
        except FedjobsError as error:
            failure = error
        except grpc.aio.BaseError:
            raise
        except Exception:
            _log.exception("a watch failed")
            failure = FedjobsError(ErrorCode.INTERNAL, "The coordinator failed. See its log.")
        await context.abort(*to_grpc(failure))

    async def exclude_silos(message: bytes, context: Any) -> pb.ExcludeResponse:
        try:
            _check(context)
            request = decode(pb.ExcludeRequest, message)
            exclude([Exclusion.from_message(each) for each in request.exclusions])
            return pb.ExcludeResponse()
        except FedjobsError as error:
            failure = error
        except Exception:
            _log.exception("an exclusion failed")
            failure = FedjobsError(ErrorCode.INTERNAL, "The coordinator failed. See its log.")
        await context.abort(*to_grpc(failure))
        raise AssertionError("abort does not return")

    return grpc.method_handlers_generic_handler(
        "fedjobs.v1.Reports",
        {
            "Watch": grpc.unary_stream_rpc_method_handler(
                watch,
                response_serializer=pb.WatchResponse.SerializeToString,
            ),
            "Exclude": grpc.unary_unary_rpc_method_handler(
                exclude_silos,
                response_serializer=pb.ExcludeResponse.SerializeToString,
            ),
        },
    )


def _check(context: Any) -> None:
    check_operator(context.auth_context())
    check_not_expired(context.auth_context())
