"""Whether a computation may run, by the policy or by a person's approval."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fedjobs_common.digests import digest
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder, Decisions
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consent_scopes import ConsentScope
from fedjobs_worker.consent.consents import APPROVAL, Awaiting, Computation, Consent, Consents, decide, message_of
from fedjobs_worker.consent.data_reads import DataReads
from fedjobs_worker.consent.pending import PendingFolder
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.silo_files import SiloFile

from tests.worker.test_policies import a_policy, an_invitation

SILO = "hospital-a"
SHARD, OTHER = digest(b"shard"), digest(b"another")
MANUAL = {"approval": "Manual", "approvalDeadlineSeconds": 100}
SCOPE, ANOTHER = ConsentScope(computation=SHARD), ConsentScope(computation=OTHER)
NO = Approval(decision="denied", message="not now")


def yes(scope: ConsentScope = SCOPE) -> Approval:
    return Approval(decision="approved", by="dr-no", scope=scope)


def decisions(approval: Approval | None) -> Decisions:
    if approval is None:
        return Decisions()
    return Decisions(denial=approval) if approval.decision == "denied" else Decisions(approvals=(approval,))


def rule(said: Consent) -> str:
    return type(said).__name__.lower() if not isinstance(said, Refused) else said.rule


@pytest.mark.parametrize(
    ("computations", "approval", "now", "expected"),
    [
        ({}, None, 0, "allowed"),
        ({}, NO, 0, APPROVAL),
        ({"digests": [SHARD]}, None, 0, "allowed"),
        ({"digests": [OTHER]}, None, 0, "policy.computations.digests"),
        ({"digests": [OTHER]}, yes(), 0, "allowed"),
        (MANUAL, None, 99, "awaiting"),
        (MANUAL, None, 100, APPROVAL),
        (MANUAL, yes(), 1000, "allowed"),
        (MANUAL, NO, 0, APPROVAL),
        (MANUAL | {"digests": [SHARD]}, None, 0, "allowed"),
        (MANUAL | {"digests": [SHARD]}, NO, 0, APPROVAL),
        (MANUAL | {"digests": [OTHER]}, None, 0, "awaiting"),
    ],
)
def test_consent(computations: dict[str, object], approval: Approval | None, now: float, expected: str) -> None:
    policy = a_policy(computations=computations)
    assert rule(decide(policy, SILO, SCOPE, {"MatMul"}, decisions(approval), 0, now)) == expected


def test_operations_are_checked_even_for_approved_computations() -> None:
    policy = a_policy(computations=MANUAL | {"digests": [SHARD]})
    said = decide(policy, SILO, SCOPE, {"ReadFile"}, decisions(yes()), 0, 0)
    assert rule(said) == "policy.computations.operations"


def a_dataset(*columns: str) -> dict[str, Any]:
    return {
        "source": {"csv": {"path": "/data/none.csv"}},
        "features": {"columns": list(columns) or ["p0", "p1"]},
        "label": "digit",
        "clients": {"column": "patient"},
    }


def _tensor(name: str, *shape: int, dtype: str = "float32") -> shard_pb2.Leaf:
    return shard_pb2.Leaf(name=name, tensor=shard_pb2.Tensor(dtype=dtype, shape=shape))


EXAMPLES = shard_pb2.Sequence(
    components=[
        shard_pb2.Component(name="x", tensor=_tensor("", 2).tensor),
        shard_pb2.Component(name="y", tensor=_tensor("", dtype="int32").tensor),
    ]
)
A_SHARD = shard_pb2.Shard(
    broadcasts=[_tensor("weights")],
    client_inputs=[shard_pb2.Leaf(name="examples", sequence=EXAMPLES)],
    accumulators=[_tensor("sum", 2)],
)


class Site:
    """A silo with manual approval, and its folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.invited = ["digits"]
        self.file: dict[str, Any] = {
            "silo": SILO,
            "policy": {"computations": dict(MANUAL)},
            "datasets": {name: a_dataset() for name in ("digits", "patients")},
        }
        self.approvals = ApprovalFolder(folder / "approvals")
        self.pending = PendingFolder(folder / "pending")
        self.consents = self.started()

    def started(self, job: str = "1") -> Consents:
        silo = SiloFile.model_validate(self.file)
        audit = Audit(self.folder / "audit.jsonl", SILO, job, clock=lambda: self.now)
        invitation = an_invitation(job_uid=job, requested_by="alice", datasets=self.invited)
        return Consents(silo, invitation, audit, self.approvals, self.pending, clock=lambda: self.now)

    def computation(self, dataset: str = "digits") -> Computation:
        return Computation(SHARD, A_SHARD, frozenset({"MatMul"}), "train", DataReads((dataset,)))

    def asked(self, dataset: str = "digits") -> Consent:
        return self.consents.of(self.computation(dataset))

    def approve(self, dataset: str = "digits") -> None:
        """Approves what the silo's file says now, as `fedjobs silo approve` does."""
        self.approvals.say(SHARD, yes(self.consents.scope(self.computation(dataset))))

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
    for words in (
        SHARD,
        "train",
        "weights: float32",
        "MatMul",
        "reads digits",
        "enforced by the silo",
        "examples: the dataset digits, clients by column patient",
        "x float32[2] from p0, p1",
        "sum: float32[2]",
        waiting.scope.digest,
    ):
        assert words in waiting.explanation


def test_an_approval_ends_the_waiting_and_is_recorded(site: Site) -> None:
    site.asked()
    assert site.consents.waiting
    assert site.consents.changed() == []
    site.approve()
    assert site.consents.changed() == [(site.computation(), Allowed())]
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


def _broken(name: str, content: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        (site.folder / "approvals" / name).write_text(content)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _broken(f"{SHARD}.json", '{"decision": "maybe"}'),
        _broken(f"{SHARD}.json", '{"decision": "denied", "until": "tomorrow"}'),
        _broken(f"{SHARD}.json", ""),
        _broken(f"{SHARD}.json", '{"decision": "approved", "by": "dr-no"}'),
        _broken(f"{SHARD}.{OTHER[:32]}.json", yes().model_dump_json(by_alias=True)),
        _broken(f"{SHARD}.{SCOPE.digest[:32]}.json", yes(ANOTHER).model_dump_json(by_alias=True)),
        _broken(f"{SHARD[:12]}.json", '{"decision": "denied"}'),
        _broken(f"{SHARD.upper()}.json", '{"decision": "denied"}'),
        lambda site: (site.folder / "approvals" / f"{SHARD}.json").mkdir(),
    ],
    ids=["unknown word", "unknown field", "empty", "no scope", "another scope", "another computation", "short name",
         "upper case", "folder"],
)  # fmt: skip
@pytest.mark.parametrize("policy", [{}, {"computations": {"digests": [SHARD]}}, {"computations": MANUAL}], ids=str)
def test_a_decision_that_cannot_be_read_refuses(
    site: Site, change: Callable[[Site], None], policy: dict[str, Any]
) -> None:
    site.file["policy"] = policy
    site.consents = site.started()
    site.approve()
    change(site)
    said = site.asked()
    assert isinstance(said, Refused)
    assert said.rule == APPROVAL
    assert "cannot read its decisions" in said.message
    (entry,) = map(json.loads, (site.folder / "audit.jsonl").read_text().splitlines())
    assert ".json in the silo's folder of decisions cannot be read: " in entry["problem"]


def test_a_file_that_is_being_written_is_no_decision(site: Site) -> None:
    site.approve()
    (site.folder / "approvals" / f".{SHARD}.json.0a1b.tmp").write_text("{")
    (site.folder / "approvals" / "..data").mkdir()
    assert site.asked() == Allowed()


def test_an_approval_does_not_cover_another_dataset(site: Site) -> None:
    site.invited = ["digits", "patients"]
    site.consents = site.started()
    site.approve("digits")
    assert site.asked("digits") == Allowed()
    said = site.asked("patients")
    assert isinstance(said, Awaiting)
    assert "because of the dataset" in said.message
    (waiting,) = site.pending.all()
    assert "dataset of examples: approved digits, now patients" in waiting.explanation
    site.approve("patients")
    assert (site.asked("digits"), site.asked("patients")) == (Allowed(), Allowed())


@pytest.mark.parametrize("policy", [{}, {"computations": {"digests": [SHARD]}}, {"computations": MANUAL}], ids=str)
def test_a_dataset_that_the_invitation_does_not_name_is_refused(site: Site, policy: dict[str, Any]) -> None:
    site.file["policy"] = policy
    site.consents = site.started()
    site.approve("patients")
    said = site.asked("patients")
    assert isinstance(said, Refused)
    assert said.rule == "invitation.datasets"
    assert "'patients'" in said.message
    assert site.pending.all() == []


def _columns(file: dict[str, Any]) -> None:
    file["datasets"]["digits"] = a_dataset("p0", "income")


def _order(file: dict[str, Any]) -> None:
    file["datasets"]["digits"] = a_dataset("p1", "p0")


def _dtype(file: dict[str, Any]) -> None:
    file["datasets"]["digits"]["features"]["dtype"] = "float64"


def _label(file: dict[str, Any]) -> None:
    file["datasets"]["digits"]["label"] = {"column": "diagnosis"}


def _clients(file: dict[str, Any]) -> None:
    file["datasets"]["digits"]["clients"] = None


def _sampling(file: dict[str, Any]) -> None:
    file["datasets"]["digits"]["clientsPerRound"] = 1


def _limits(file: dict[str, Any]) -> None:
    file["policy"]["limits"] = {"uploadBytesPerJob": 10**9}


def _runs(file: dict[str, Any]) -> None:
    file["policy"]["limits"] = {"runsPerRound": 5}


def _least(file: dict[str, Any]) -> None:
    file["policy"]["minClients"] = 2


@pytest.mark.parametrize(
    ("change", "part", "shown"),
    [
        (_columns, "the columns", "columns of examples/x: approved p0, p1 as float32, now p0, income as float32"),
        (_order, "the columns", "columns of examples/x: approved p0, p1 as float32, now p1, p0 as float32"),
        (_dtype, "the columns", "columns of examples/x: approved p0, p1 as float32, now p0, p1 as float64"),
        (_label, "the columns", "columns of examples/y: approved digit as int32, now diagnosis as int32"),
        (_clients, "the clients", "column of clients of examples: approved patient, now none"),
        (_sampling, "the clients", "clientsPerRound of examples: approved no limit, now 1"),
        (_limits, "the limits", "uploadBytesPerJob: approved no limit, now 1000000000"),
        (_runs, "the limits", "runsPerRound: approved 2, now 5"),
        (_least, "the limits", "minClients: approved 1, now 2"),
    ],
)
def test_an_approval_ends_when_the_silos_file_changes_what_it_covers(
    site: Site, change: Callable[[dict[str, Any]], None], part: str, shown: str
) -> None:
    site.approve()
    assert site.asked() == Allowed()
    change(site.file)
    site.consents = site.started("2")
    said = site.asked()
    assert isinstance(said, Awaiting)
    assert f"because of {part}." in said.message
    assert not {"income", "diagnosis", "patient"} & set(said.message.replace(",", " ").split())
    (waiting,) = site.pending.all()
    assert shown in waiting.explanation
    site.approve()
    assert site.consents.changed() == [(site.computation(), Allowed())]


def test_a_change_of_other_datasets_keeps_an_approval(site: Site) -> None:
    site.approve()
    site.file["datasets"]["patients"] = a_dataset("other")
    site.file["datasets"]["digits"]["source"] = {"csv": {"path": "/data/of-next-year.csv"}}
    site.consents = site.started()
    assert site.asked() == Allowed()


def test_a_denial_applies_to_all_datasets_until_an_approval_replaces_it(site: Site) -> None:
    site.invited = ["digits", "patients"]
    site.consents = site.started()
    site.approve("digits")
    site.approvals.say(SHARD, NO)
    assert [rule(site.asked(name)) for name in site.invited] == [APPROVAL, APPROVAL]
    site.approve("patients")
    assert [rule(site.asked(name)) for name in site.invited] == ["awaiting", "allowed"]


def test_a_listed_digest_can_be_limited_to_datasets(site: Site) -> None:
    site.invited = ["digits", "patients"]
    site.file["policy"] = {"computations": {"digests": [{"digest": SHARD, "datasets": ["digits"]}]}}
    site.consents = site.started()
    assert rule(site.asked("digits")) == "allowed"
    said = site.asked("patients")
    assert isinstance(said, Refused)
    assert said.rule == "policy.computations.digests"
    assert "patients" in said.message


def test_a_command_prints_the_pending_computations(site: Site) -> None:
    site.asked()
    (site.folder / "pending" / "other.json").write_text("{")
    command = [sys.executable, "-m", "fedjobs_worker.consent.pending", "--dir", str(site.folder / "pending")]
    (waiting,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert waiting["jobName"] == "digits"


def test_the_coordinator_gets_rule_message_and_remaining_time(site: Site) -> None:
    told = message_of(SHARD, "scope", site.asked(), site.now)
    assert told.shard.hex() == SHARD
    assert (told.awaiting.rule, told.awaiting.seconds_left) == (APPROVAL, 100)
    assert message_of(SHARD, "", Allowed(), 0).HasField("approved")
    assert message_of(SHARD, "", Refused("a", "b"), 0).refused.rule == "a"


def test_a_refusal_is_recorded_once_for_each_rule(site: Site) -> None:
    for rule_ in ("BlobCorrupt", "BlobCorrupt", "RunnerFailed"):
        site.consents.refused(SHARD, Refused(rule_, "no"), "train", ("digits",))
    entries = map(json.loads, (site.folder / "audit.jsonl").read_text().splitlines())
    assert [(entry["rule"], entry["shard"]) for entry in entries] == [("BlobCorrupt", SHARD), ("RunnerFailed", SHARD)]


def test_a_denial_applies_to_computations_that_read_what_the_denied_one_has_kept(site: Site) -> None:
    reading = shard_pb2.Shard()
    reading.CopyFrom(A_SHARD)
    reading.kept_inputs.add(type=_tensor("", 2), shard=bytes.fromhex(OTHER))
    computation = Computation(
        SHARD, reading, frozenset({"MatMul"}), "train", DataReads(("digits",), kept=(("digits",),))
    )
    site.approvals.say(SHARD, yes(site.consents.scope(computation)))
    assert site.consents.of(computation) == Allowed()
    site.approvals.say(OTHER, NO)
    said = site.consents.of(computation)
    assert isinstance(said, Refused)
    assert "not now" in said.message
