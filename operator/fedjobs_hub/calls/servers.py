"""The hub's two ports: thin. They unpack, ask, and map errors to statuses.

One is for who has no certificate yet, and asks for none; the other one demands one in the handshake. They are servers
of their own, so that nobody reaches the calls of one through the port of the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError, to_grpc
from fedjobs_operator.cluster.api_calls import ApiError
from fedjobs_protocol.identities.channels import SERVER_OPTIONS, Option, server_credentials
from fedjobs_protocol.identities.identities import HubCaller, Identity, hub_caller_of
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
    # A client of ours says that it is alive every 20 s; more often than every 4 s is a flood, and ends the connection.
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.max_connection_idle_ms", 20_000),
    # All that there is to say is said in a few seconds: a call that is begun and never ended ends with its connection.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
)

_LOG = structlog.get_logger(__name__)
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
GetIdentity = Callable[[], Identity]


def enrolment_server(calls: EnrolmentCalls, identity: GetIdentity, listen: str) -> tuple[grpc.aio.Server, int]:
    """The server for who has no certificate yet, not started, and its port.

    Args:
        calls: Answer.
        identity: The hub's, asked for at each handshake.
        listen: `host:port`; port 0 chooses one.

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
    """The server for silos, which have certificates; otherwise as `enrolment_server`."""

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
        raise FedjobsError(ErrorCode.PORT_IN_USE, message, "End the process that uses the port, or choose another one.")
    return server, port


def _unary(
    name: str, answer: Callable[[Request, Any], Awaitable[Response]], request_type: type[Request]
) -> grpc.RpcMethodHandler[Request, Response]:
    async def serve(request: Request, context: Any) -> Response:
        try:
            response = await answer(request, context)
        except FedjobsError as error:
            failure = error
            # A flood of calls is no flood of lines; the metrics count them.
            log = _LOG.debug if error.code is ErrorCode.TOO_MANY_REQUESTS else _LOG.info
            log("a call was refused", call=name, peer=context.peer(), code=error.code.label, why=error.message)
        except ApiError as error:
            _LOG.warning("the cluster did not answer a call", call=name, status=error.status, error=str(error))
            failure = FedjobsError(ErrorCode.UNAVAILABLE, "The federation's cluster does not answer.", "Try again.")
        except grpc.aio.BaseError:
            raise
        except Exception:
            _LOG.exception("a call failed", call=name)
            failure = FedjobsError(ErrorCode.INTERNAL, "The hub failed; its log says why.")
        else:
            metrics.CALLS.labels(name, "OK").inc()
            return response
        metrics.CALLS.labels(name, failure.code.label).inc()
        status, details = to_grpc(failure)
        await context.abort(status, details[:_LONGEST_DETAILS])
        raise AssertionError("abort does not return")

    return grpc.unary_unary_rpc_method_handler(
        serve,
        request_deserializer=request_type.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
