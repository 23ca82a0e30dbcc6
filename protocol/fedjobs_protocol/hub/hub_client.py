"""The calls to a federation's hub: synchronous, for silos' agents, workers, coordinators and the operator.

What fails is raised as an error of the catalogue. Whether to try again later is the caller's to decide (see
`fedjobs_common.retries.forever`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from fedjobs_common.errors import ErrorCode, FedjobsError, from_grpc
from google.protobuf.message import Message
from pydantic import ValidationError

from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.keys import signing_request
from fedjobs_protocol.v1 import hub_pb2 as pb

_SHORT_S = 30.0
_LONG_POLL_S = 60.0  # the hub answers an idle poll in under 50 s
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Invitations:
    """All invitations of a silo that stand.

    Attributes:
        tag: Names this very list; shown to the hub, it answers when there is another one.
        invitations: In the order of the jobs' UIDs.
    """

    tag: str = ""
    invitations: tuple[Invitation, ...] = field(default=())


class EnrolmentClient:
    """The calls of who has no certificate yet. Each returns the identity that was issued for the key.

    Args:
        channel: From `fedjobs_protocol.identities.channels.open_enrolment_channel`.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._enrol = _call(channel, "Enrolment/Enrol", pb.EnrolRequest, pb.Issued)
        self._renew = _call(channel, "Enrolment/RenewExpired", pb.RenewExpiredRequest, pb.Issued)
        self._worker = _call(channel, "Enrolment/IssueWorker", pb.IssueWorkerRequest, pb.Issued)
        self._coordinator = _call(channel, "Enrolment/IssueCoordinator", pb.IssueForPodRequest, pb.Issued)
        self._operator = _call(channel, "Enrolment/IssueOperator", pb.IssueForPodRequest, pb.Issued)

    def enrol(self, silo: str, token: str, key: bytes) -> Identity:
        """A silo's first identity; `token` is `silo_tokens.SiloToken.secret`, `key` PEM."""
        request = pb.EnrolRequest(token=token, silo=silo, csr=signing_request(key))
        return _identity(self._enrol(request, _SHORT_S), key)

    def renew_expired(self, identity: Identity) -> Identity:
        """A silo's next identity after the last one has expired, for the same key."""
        request = pb.RenewExpiredRequest(certificate=identity.certificate, csr=signing_request(identity.key))
        return _identity(self._renew(request, _SHORT_S), identity.key)

    def issue_worker(self, token: str, key: bytes) -> Identity:
        """A worker's identity for one job; `token` is what its silo's agent got for it."""
        request = pb.IssueWorkerRequest(token=token, csr=signing_request(key))
        return _identity(self._worker(request, _SHORT_S), key)

    def issue_coordinator(self, token: str, key: bytes) -> Identity:
        """The identity of a job's coordinator; `token` is its pod's, for the audience `fedjobs-hub`."""
        request = pb.IssueForPodRequest(token=token, csr=signing_request(key))
        return _identity(self._coordinator(request, _SHORT_S), key)

    def issue_operator(self, token: str, key: bytes) -> Identity:
        """The operator's identity; `token` is its pod's, for the audience `fedjobs-hub`."""
        request = pb.IssueForPodRequest(token=token, csr=signing_request(key))
        return _identity(self._operator(request, _SHORT_S), key)


class HubClient:
    """The calls of a silo's agent, and the renewal of a worker. May be used from several threads.

    Args:
        channel: From `fedjobs_protocol.identities.channels.open_channel`.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._announce = _call(channel, "Hub/Announce", pb.AnnounceRequest, pb.AnnounceResponse)
        self._pull = _call(channel, "Hub/PullInvitations", pb.PullInvitationsRequest, pb.PullInvitationsResponse)
        self._worker_token = _call(
            channel, "Hub/CreateWorkerToken", pb.CreateWorkerTokenRequest, pb.CreateWorkerTokenResponse
        )
        self._renew = _call(channel, "Hub/Renew", pb.RenewRequest, pb.Issued)

    def announce(self, request: pb.AnnounceRequest) -> pb.AnnounceResponse:
        """Says who is there; another agent of the same silo is superseded by it."""
        return self._announce(request, _SHORT_S)

    def pull_invitations(self, agent_id: str, seen: str) -> Invitations:
        """Waits, up to 50 s, until the invitations are others than those of the tag `seen`.

        Raises:
            FedjobsError: SESSION_SUPERSEDED by a newer agent; SESSION_UNKNOWN: announce again; SILO_SUSPENDED,
                SILO_UNKNOWN; VERSION_MISMATCH when an invitation cannot be read.
        """
        response = self._pull(pb.PullInvitationsRequest(agent_id=agent_id, seen=seen), _LONG_POLL_S)
        try:
            found = tuple(Invitation.model_validate_json(document) for document in response.invitations)
        except ValidationError as error:
            raise FedjobsError(
                ErrorCode.VERSION_MISMATCH,
                f"An invitation cannot be read: {error.error_count()} of its fields are not as expected.",
                "Install the federation's release of fedjobs at the silo.",
            ) from error
        return Invitations(response.tag, found)

    def create_worker_token(self, job_uid: str) -> str:
        """A one-time token with which a worker of this silo gets a certificate for this job."""
        return self._worker_token(pb.CreateWorkerTokenRequest(job_uid=job_uid), _SHORT_S).token

    def renew(self, identity: Identity) -> Identity:
        """The next identity of who calls, for the same key."""
        return _identity(self._renew(pb.RenewRequest(csr=signing_request(identity.key)), _SHORT_S), identity.key)


def _identity(issued: pb.Issued, key: bytes) -> Identity:
    return Identity(issued.certificate, key, issued.trust)


def _call(
    channel: grpc.Channel, method: str, _request: type[Request], response: type[Response]
) -> Callable[[Request, float], Response]:
    stub = channel.unary_unary(
        f"/fedjobs.v1.{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )

    def called(request: Request, timeout_s: float) -> Response:
        try:
            answer: Response = stub(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise from_grpc(error) from error
        return answer

    return called
