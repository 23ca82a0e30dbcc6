"""The hub's two gRPC servers, which call the services and map errors to statuses.

One server is for callers without a certificate. The other one requires a client certificate in the handshake. They are
separate servers, so that the calls of one cannot be reached through the port of the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
import structlog
from fedjobs_api.api_calls import ApiError
from fedjobs_common.errors import ErrorCode, FedjobsError, to_grpc
from fedjobs_protocol.identities.channels import SERVER_OPTIONS, Option, server_credentials
from fedjobs_protocol.identities.identities import HubCaller, Identity, hub_caller_of
from fedjobs_protocol.requests import decode
from fedjobs_protocol.v1 import hub_pb2 as pb
from google.protobuf.message import Message

from fedjobs_hub import metrics
from fedjobs_hub.calls.enrolment_calls import EnrolmentCalls
from fedjobs_hub.calls.hub_calls import HubCalls
from fedjobs_hub.calls.limits import host

_LONGEST_DETAILS = 2000
_KIB = 1024
_LIMITS: tuple[Option, ...] = (
    ("grpc.max_receive_message_length", 256 * _KIB),
    ("grpc.max_metadata_size", 8 * _KIB),
    ("grpc.max_connection_idle_ms", 300_000),
)
_STRANGERS: tuple[Option, ...] = (
    ("grpc.max_receive_message_length", 32 * _KIB),
    ("grpc.max_concurrent_streams", 4),
    # Clients send a keepalive ping every 20 s. Pings at intervals under 4 s are a flood, and close the connection.
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.max_connection_idle_ms", 20_000),
    # A call takes a few seconds. A call that never ends is closed with its connection.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
)

_LOG = structlog.get_logger(__name__)
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
GetIdentity = Callable[[], Identity]


def enrolment_server(calls: EnrolmentCalls, identity: GetIdentity, listen: str) -> tuple[grpc.aio.Server, int]:
    """Creates the server for callers without a certificate. Returns the server, which is not started, and its port.

    Args:
        calls: The service.
        identity: Returns the hub's identity. Called at each handshake.
        listen: The `host:port` to listen on. Port 0 chooses a free port.

    Raises:
        FedjobsError: PORT_IN_USE.
    """

    def unary(name: str, answer: Callable[[str, Request], Awaitable[Response]], kind: type[Request]) -> Handler:
        return _unary(name, lambda request, context: answer(host(context.peer()), request), kind)

    handlers = {
        "Enrol": unary("Enrol", calls.enrol, pb.EnrolRequest),
        "RenewExpired": unary("RenewExpired", calls.renew_expired, pb.RenewExpiredRequest),
        "IssueWorker": unary("IssueWorker", calls.issue_worker, pb.IssueWorkerRequest),
        "IssueCoordinator": unary("IssueCoordinator", calls.issue_coordinator, pb.IssueForPodRequest),
        "IssueOperator": unary("IssueOperator", calls.issue_operator, pb.IssueForPodRequest),
    }
    secured = server_credentials(identity, from_silos=False)
    return _server("fedjobs.v1.Enrolment", handlers, secured, listen, _LIMITS + _STRANGERS)


def hub_server(calls: HubCalls, identity: GetIdentity, listen: str) -> tuple[grpc.aio.Server, int]:
    """Creates the server for callers with a certificate, in the same way as `enrolment_server`."""

    def unary(name: str, answer: Callable[[HubCaller, Request], Awaitable[Response]], kind: type[Request]) -> Handler:
        return _unary(name, lambda request, context: answer(hub_caller_of(context.auth_context()), request), kind)

    handlers = {
        "Announce": unary("Announce", calls.announce, pb.AnnounceRequest),
        "PullInvitations": unary("PullInvitations", calls.pull_invitations, pb.PullInvitationsRequest),
        "CreateWorkerToken": unary("CreateWorkerToken", calls.create_worker_token, pb.CreateWorkerTokenRequest),
        "Renew": unary("Renew", calls.renew, pb.RenewRequest),
    }
    secured = server_credentials(identity)
    return _server("fedjobs.v1.Hub", handlers, secured, listen, _LIMITS)


def _server(
    service: str,
    handlers: Mapping[str, Handler],
    secured: grpc.ServerCredentials,
    listen: str,
    options: tuple[Option, ...],
) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=list((dict(SERVER_OPTIONS) | dict(options)).items()))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, dict(handlers)),))
    try:
        port = server.add_secure_port(listen, secured)
    except RuntimeError:
        port = 0
    if port == 0:
        message = f"The hub cannot listen on {listen}."
        remedy = "Stop the process that uses the port, or choose another port."
        raise FedjobsError(ErrorCode.PORT_IN_USE, message, remedy)
    return server, port


def _unary(
    name: str, answer: Callable[[Request, Any], Awaitable[Response]], request_type: type[Request]
) -> grpc.RpcMethodHandler[bytes, Response]:
    async def serve(request: bytes, context: Any) -> Response:
        try:
            response = await answer(decode(request_type, request), context)
        except FedjobsError as error:
            failure = error
            # A flood of calls must not flood the log. The metrics count these calls.
            log = _LOG.debug if error.code is ErrorCode.TOO_MANY_REQUESTS else _LOG.info
            log("a call was rejected", call=name, peer=context.peer(), code=error.code.label, why=error.message)
        except ApiError as error:
            _LOG.warning(
                "a call failed because the cluster did not answer", call=name, status=error.status, error=str(error)
            )
            failure = FedjobsError(ErrorCode.UNAVAILABLE, "The federation's cluster does not answer.", "Try again.")
        except grpc.aio.BaseError:
            raise
        except Exception:
            _LOG.exception("a call failed", call=name)
            failure = FedjobsError(ErrorCode.INTERNAL, "The hub failed unexpectedly.", "See the hub's log.")
        else:
            metrics.CALLS.labels(name, "OK").inc()
            return response
        metrics.CALLS.labels(name, failure.code.label).inc()
        status, details = to_grpc(failure)
        await context.abort(status, details[:_LONGEST_DETAILS])
        raise AssertionError("abort does not return")

    return grpc.unary_unary_rpc_method_handler(
        serve,
        response_serializer=lambda response: response.SerializeToString(),
    )
