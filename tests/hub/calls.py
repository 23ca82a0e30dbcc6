"""Calls of the hub with messages that the clients of fedjobs never send."""

from __future__ import annotations

import grpc
from fedjobs_common.errors import from_grpc
from fedjobs_protocol.identities.channels import open_enrolment_channel
from fedjobs_protocol.identities.identities import enrolment_name
from fedjobs_protocol.v1 import hub_pb2 as pb
from google.protobuf.message import Message

from tests.hub.hubs import Federation


def call_enrolment(
    federation: Federation,
    method: str,
    request: Message,
    *,
    channel: grpc.Channel | None = None,
    timeout_s: float = 30,
) -> pb.Issued:
    """Makes one call of fedjobs.v1.Enrolment."""
    if channel is not None:
        return call(channel, f"/fedjobs.v1.Enrolment/{method}", request, timeout_s)
    name = enrolment_name(federation.front_door)
    with open_enrolment_channel(federation.hub.enrolment_address, name, federation.servers_trust) as own:
        return call(own, f"/fedjobs.v1.Enrolment/{method}", request, timeout_s)


def call(channel: grpc.Channel, path: str, request: Message, timeout_s: float = 30) -> pb.Issued:
    """Makes one call. Raises a FedjobsError if the hub refuses it."""
    stub = channel.unary_unary(
        path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=pb.Issued.FromString,
    )
    try:
        issued: pb.Issued = stub(request, timeout=timeout_s)
    except grpc.RpcError as error:
        raise from_grpc(error) from error
    return issued
