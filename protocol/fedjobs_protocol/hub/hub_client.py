"""Synchronous clients of a federation's hub, for silos' agents, workers, coordinators and the operator.

A failed call raises an error of the catalogue. The caller decides whether to retry (see
`fedjobs_common.retries.forever`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from fedjobs_common.errors import from_grpc
from fedjobs_common.untrusted_text import printable
from google.protobuf.message import Message
from pydantic import ValidationError

from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.keys import signing_request
from fedjobs_protocol.received import received
from fedjobs_protocol.v1 import hub_pb2 as pb

_SHORT_S = 30.0
_LONG_POLL_S = 60.0  # the hub answers an idle poll in under 50 s
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Invitations:
    """The current invitations of a silo.

    Attributes:
        tag: Identifies this list. A poll with this tag returns when the list has changed.
        invitations: The invitations, ordered by the jobs' UIDs.
        unreadable: Why other invitations cannot be read. They are ignored, so that one job cannot stop the others.
    """

    tag: str = ""
    invitations: tuple[Invitation, ...] = field(default=())
    unreadable: tuple[str, ...] = ()


class EnrolmentClient:
    """The calls that need no client certificate. Each returns the identity that the hub issued for the key.

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
        """Returns a silo's first identity. `token` is `silo_tokens.SiloToken.secret`, and `key` is PEM."""
        request = pb.EnrolRequest(token=token, silo=silo, csr=signing_request(key))
        return _identity(self._enrol(request, _SHORT_S), key)

    def renew_expired(self, identity: Identity) -> Identity:
        """Returns a silo's next identity for the same key, after the last one has expired."""
        request = pb.RenewExpiredRequest(certificate=identity.certificate, csr=signing_request(identity.key))
        return _identity(self._renew(request, _SHORT_S), identity.key)

    def issue_worker(self, token: str, key: bytes) -> Identity:
        """Returns a worker's identity for one job. `token` is the one-time token that the silo's agent requested."""
        request = pb.IssueWorkerRequest(token=token, csr=signing_request(key))
        return _identity(self._worker(request, _SHORT_S), key)

    def issue_coordinator(self, token: str, key: bytes) -> Identity:
        """Returns the identity of a job's coordinator. `token` is its pod's token for the audience `fedjobs-hub`."""
        request = pb.IssueForPodRequest(token=token, csr=signing_request(key))
        return _identity(self._coordinator(request, _SHORT_S), key)

    def issue_operator(self, token: str, key: bytes) -> Identity:
        """Returns the operator's identity. `token` is its pod's token for the audience `fedjobs-hub`."""
        request = pb.IssueForPodRequest(token=token, csr=signing_request(key))
        return _identity(self._operator(request, _SHORT_S), key)


class HubClient:
    """The calls of a silo's agent, and the renewal of a worker's certificate. Thread-safe.

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
        """Announces the agent and starts its session. It supersedes another agent of the same silo."""
        return self._announce(request, _SHORT_S)

    def pull_invitations(self, agent_id: str, seen: str, audit_anchor: str = "") -> Invitations:
        """Waits up to 50 s until the invitations differ from those of the tag `seen`, and returns them.

        Args:
            agent_id: The ID of the agent's process.
            seen: The tag of the last response, or empty.
            audit_anchor: The state of the silo's audit log, which the hub keeps.

        Raises:
            FedjobsError: SESSION_SUPERSEDED if there is a newer agent; SESSION_NOT_FOUND if the agent must announce
                itself again; SILO_SUSPENDED; SILO_NOT_FOUND.
        """
        response = self._pull(
            pb.PullInvitationsRequest(agent_id=agent_id, seen=seen, audit_anchor=audit_anchor), _LONG_POLL_S
        )
        found, unreadable = [], []
        for document in response.invitations:
            try:
                found.append(Invitation.model_validate_json(document))
            except ValidationError as error:
                fields = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
                unreadable.append(printable(f"invalid or unknown fields: {', '.join(fields)}"))
        return Invitations(response.tag, tuple(found), tuple(unreadable))

    def create_worker_token(self, job_uid: str) -> str:
        """Returns a one-time token with which a worker of this silo gets a certificate for this job."""
        return self._worker_token(pb.CreateWorkerTokenRequest(job_uid=job_uid), _SHORT_S).token

    def renew(self, identity: Identity) -> Identity:
        """Returns the caller's next identity for the same key."""
        return _identity(self._renew(pb.RenewRequest(csr=signing_request(identity.key)), _SHORT_S), identity.key)


def _identity(issued: pb.Issued, key: bytes) -> Identity:
    return Identity(issued.certificate, key, issued.trust)


def _call(
    channel: grpc.Channel, method: str, _request: type[Request], response: type[Response]
) -> Callable[[Request, float], Response]:
    stub = channel.unary_unary(
        f"/fedjobs.v1.{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=received(response),
    )

    def called(request: Request, timeout_s: float) -> Response:
        try:
            answer: Response = stub(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise from_grpc(error) from error
        return answer

    return called
