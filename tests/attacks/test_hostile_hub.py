"""What a hostile hub puts into an invitation is not a path, another kind of address, or a control sequence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning import names
from fedjobs_agent.planning.planner import Start
from fedjobs_agent.workers.local_workers import LocalWorkers
from fedjobs_protocol.hub.hub_client import HubClient
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.v1 import hub_pb2 as pb
from fedjobs_worker.silo_files import SiloFile
from pydantic import ValidationError

from tests.agent.builders import SILO, an_invitation

HONEST: dict[str, Any] = an_invitation().invitation.model_dump(by_alias=True)
PATHS = [
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "",
    "-rf",
    ".ssh",
    "a\x00b",
    "a\nb",
    "a" * 300,
    "A b",
    "a..b/",
]
TEXTS = ["\x1b[2J", "a\nb", "\u202e", "x" * 5000]
ADDRESSES = ["unix:/run/x.sock", "unix:///run/x", "host", "host:port", "a b:1", "host:1\n", "dns:///a:1", "-a:1", ":1"]


def hostile(field: str, value: object) -> dict[str, Any]:
    return HONEST | {field: value}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("jobName", value) for value in PATHS),
        *(("jobUid", value) for value in PATHS),
        *(("namespace", value) for value in PATHS if value),
        *(("serverName", value) for value in PATHS),
        *(("address", value) for value in ADDRESSES),
        *((field, value) for field in ("requestedBy", "program") for value in TEXTS),
        *(("datasets", [value]) for value in TEXTS),
        ("datasets", ["a"] * 10_000),
        ("rounds", 10**30),
        ("minSilos", 10**30),
        ("gpu", {"mode": "Prefer", "count": 10**9}),
    ],
)
def test_a_hostile_invitation_is_not_read(field: str, value: object) -> None:
    Invitation.model_validate_json(json.dumps(HONEST))
    with pytest.raises(ValidationError):
        Invitation.model_validate_json(json.dumps(hostile(field, value)))


@pytest.mark.parametrize("name", ["../../../victim", "/etc/victim", "a/../../b", "..", ""])
def test_no_folder_outside_of_the_silos_own_is_written_or_removed(tmp_path: Path, name: str) -> None:
    """Also if an invitation was not parsed: the name of a worker is checked again where it becomes a folder."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "data").write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    invitation = Invitation.model_construct(**an_invitation().invitation.model_dump() | {"job_name": name})
    own = tmp_path / "silo" / "deep"
    workers = LocalWorkers(AgentConfig.model_validate({"silo": SILO, "image": "none"}), own)
    link = HubLink("127.0.0.1:1", "hub")
    try:
        with pytest.raises(ValueError, match="cannot be the name of a file"):
            workers.start(Start(Received("i", invitation, SILO)), SiloFile(silo=SILO), Credentials("t", b"c", link))
    finally:
        workers.close()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("uid", ["../../x", "/x", "a/b"])
def test_a_uid_is_no_path_either(uid: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        names.worker("digits", uid, SILO)


class Channel:
    """Answers each call with the same message."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def unary_unary(self, method: str, request_serializer: Any, response_deserializer: Any) -> Any:
        return lambda *_, **__: response_deserializer(self._answer)


def test_an_invitation_that_cannot_be_read_does_not_hide_the_others() -> None:
    documents = [hostile("jobName", "../../x"), HONEST, HONEST | {"later\x1b[2J": 1}]
    answer = pb.PullInvitationsResponse(tag="t", invitations=[json.dumps(each).encode() for each in documents])
    channel: grpc.Channel = Channel(answer.SerializeToString())  # type: ignore[assignment]
    pulled = HubClient(channel).pull_invitations("agent", "")
    assert pulled.invitations == (an_invitation().invitation,)
    assert pulled.unreadable == (
        "invalid or unknown fields: jobName",
        "invalid or unknown fields: later\\x1b[2J",
    )
