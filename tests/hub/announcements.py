"""Announcements of agents."""

from __future__ import annotations

from fedjobs_protocol.v1 import hub_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS


def an_announcement(agent_id: str, **others: object) -> pb.AnnounceRequest:
    return pb.AnnounceRequest(
        agent_id=agent_id,
        protocol_versions=list(PROTOCOL_VERSIONS),
        versions={"fedjobs": "0.1.0"},
        datasets=[pb.Dataset(name="digits", features=["x: float32[64]"])],
        cpus=4,
        gpus=1,
        **others,  # type: ignore[arg-type]
    )
