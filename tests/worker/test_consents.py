"""Whether a computation may run, by the policy or by a person's approval."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fedjobs_common.digests import digest
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consents import APPROVAL, Awaiting, Computation, Consent, Consents, decide, message_of
from fedjobs_worker.consent.pending import PendingFolder
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.silo_files import SiloFile

from tests.worker.test_policies import a_policy, an_invitation

SILO = "hospital-a"
SHARD, OTHER = digest(b"shard"), digest(b"another")
MANUAL = {"approval": "Manual", "approvalDeadlineSeconds": 100}
YES, NO = Approval(decision="approved", by="dr-no"), Approval(decision="denied", message="not now")


def rule(said: Consent) -> str:
    return type(said).__name__.lower() if not isinstance(said, Refused) else said.rule


@pytest.mark.parametrize(
    ("computations", "approval", "now", "expected"),
    [
        ({}, None, 0, "allowed"),
        ({}, NO, 0, APPROVAL),
        ({"digests": [SHARD]}, None, 0, "allowed"),
        ({"digests": [OTHER]}, None, 0, "policy.computations.digests"),
        ({"digests": [OTHER]}, YES, 0, "allowed"),
        (MANUAL, None, 99, "awaiting"),
        (MANUAL, None, 100, APPROVAL),
        (MANUAL, YES, 1000, "allowed"),
        (MANUAL, NO, 0, APPROVAL),
        (MANUAL | {"digests": [SHARD]}, None, 0, "allowed"),
        (MANUAL | {"digests": [SHARD]}, NO, 0, APPROVAL),
        (MANUAL | {"digests": [OTHER]}, None, 0, "awaiting"),
    ],
)
def test_consent(computations: dict[str, object], approval: Approval | None, now: float, expected: str) -> None:
    policy = a_policy(computations=computations)
    assert rule(decide(policy, SILO, SHARD, {"MatMul"}, approval, 0, now)) == expected


def test_operations_are_checked_even_for_approved_computations() -> None:
    policy = a_policy(computations=MANUAL | {"digests": [SHARD]})
    assert rule(decide(policy, SILO, SHARD, {"ReadFile"}, YES, 0, 0)) == "policy.computations.operations"


class Site:
    """A silo with manual approval, and its folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.approvals = ApprovalFolder(folder / "approvals")
        self.pending = PendingFolder(folder / "pending")
        self.consents = self.started()

    def started(self, job: str = "1") -> Consents:
        silo = SiloFile(silo=SILO, policy=a_policy(computations=MANUAL))
        audit = Audit(self.folder / "audit.jsonl", SILO, job, clock=lambda: self.now)
        invitation = an_invitation(job_uid=job, requested_by="alice")
        return Consents(silo, invitation, audit, self.approvals, self.pending, clock=lambda: self.now)

    def asked(self) -> Consent:
        shard = shard_pb2.Shard(broadcasts=[shard_pb2.Leaf(name="weights", tensor=shard_pb2.Tensor(dtype="float32"))])
        return self.consents.of(Computation(SHARD, shard, frozenset({"MatMul"}), "train", ("digits",)))

    def audited(self) -> list[tuple[str, str]]:
        entries = map(json.loads, (self.folder / "audit.jsonl").read_text().splitlines())
        return [(entry["decision"], entry.get("by", "")) for entry in entries]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_pending_computation_is_stored_with_its_explanation(site: Site) -> None:
    assert isinstance(site.asked(), Awaiting)
    (waiting,) = site.pending.all()
    assert (waiting.digest, waiting.job_name, waiting.requested_by) == (SHARD, "digits", "alice")
    assert waiting.until == 1100
    for words in (SHARD, "train", "weights: float32", "MatMul", "reads digits", "enforced by the silo"):
        assert words in waiting.explanation


def test_an_approval_ends_the_waiting_and_is_recorded(site: Site) -> None:
    site.asked()
    assert site.consents.waiting
    assert site.consents.changed() == []
    site.approvals.say(SHARD, YES)
    assert site.consents.changed() == [(SHARD, Allowed())]
    assert site.consents.changed() == []
    assert not site.consents.waiting
    assert site.pending.all() == []
    assert site.asked() == Allowed()
    assert site.audited() == [("awaiting", ""), ("allowed", "dr-no")]


def test_a_denial_gives_the_reason(site: Site) -> None:
    site.asked()
    site.approvals.say(SHARD, NO)
    ((_, said),) = site.consents.changed()
    assert isinstance(said, Refused)
    assert "not now" in said.message


def test_a_computation_that_waits_too_long_is_refused_even_after_a_restart(site: Site) -> None:
    site.asked()
    site.now += 99
    site.consents = site.started()
    assert isinstance(site.asked(), Awaiting)
    site.now += 1
    ((_, said),) = site.consents.changed()
    assert isinstance(said, Refused)
    assert "fedjobs silo approve" in said.message


def test_another_job_has_its_own_deadline(site: Site) -> None:
    site.asked()
    site.now += 200
    site.consents = site.started("2")
    assert isinstance(site.asked(), Awaiting)


def test_an_unreadable_approval_is_ignored(site: Site) -> None:
    site.approvals.say(SHARD, YES)
    (site.folder / "approvals" / f"{SHARD}.json").write_text('{"decision": "maybe"}')
    assert isinstance(site.asked(), Awaiting)


def test_a_command_prints_the_pending_computations(site: Site) -> None:
    site.asked()
    (site.folder / "pending" / "other.json").write_text("{")
    command = [sys.executable, "-m", "fedjobs_worker.consent.pending", "--dir", str(site.folder / "pending")]
    (waiting,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert waiting["jobName"] == "digits"


def test_the_coordinator_gets_rule_message_and_remaining_time(site: Site) -> None:
    told = message_of(SHARD, site.asked(), site.now)
    assert told.shard.hex() == SHARD
    assert (told.awaiting.rule, told.awaiting.seconds_left) == (APPROVAL, 100)
    assert message_of(SHARD, Allowed(), 0).HasField("approved")
    assert message_of(SHARD, Refused("a", "b"), 0).refused.rule == "a"


def test_a_refusal_is_recorded_once_for_each_rule(site: Site) -> None:
    for rule_ in ("BlobCorrupt", "BlobCorrupt", "RunnerFailed"):
        site.consents.refused(SHARD, Refused(rule_, "no"), "train", ("digits",))
    entries = map(json.loads, (site.folder / "audit.jsonl").read_text().splitlines())
    assert [(entry["rule"], entry["shard"]) for entry in entries] == [("BlobCorrupt", SHARD), ("RunnerFailed", SHARD)]
