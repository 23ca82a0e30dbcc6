"""Each decline is in the silo's audit log, even if the disk was full at first."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_agent.federation.declines import Declines
from fedjobs_agent.federation.invitations import received
from fedjobs_agent.planning.planner import Decline
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import Identity
from fedjobs_worker.consent.audit_chains import entries
from fedjobs_worker.consent.audits import Audit

from tests.agent.builders import SILO, AnInvitation


def unavailable(_job_uid: str) -> Identity:
    raise FedjobsError(ErrorCode.UNAVAILABLE, "the hub is away")


def test_a_decline_that_could_not_be_recorded_is_recorded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    declines = Declines(unavailable, None, lambda: 0.0, log)
    what = Decline(received(AnInvitation().invitation, SILO), "policy.requesters", "not you")

    def full(*_: object, **__: object) -> None:
        raise FedjobsError(ErrorCode.DISK_FULL, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Audit, "record", full)
        with pytest.raises(FedjobsError, match="no space"):
            declines.tell(what)
    assert declines.tell(what)
    declines.close()
    assert [entry["rule"] for entry in entries(log)] == ["policy.requesters"]
