from __future__ import annotations

import json
from pathlib import Path

import pytest
from fedjobs_worker import policies
from fedjobs_worker.audits import Audit
from fedjobs_worker.operations import ALLOWED_OPERATIONS
from fedjobs_worker.policies import Allowed, Operations, Policy, Refused

SILO = "hospital-a"


def rule(decision: policies.Decision) -> str:
    return decision.rule if isinstance(decision, Refused) else "allowed"


@pytest.mark.parametrize(
    ("policy", "requester", "datasets", "expected"),
    [
        (Policy(), None, ["digits"], "allowed"),
        (Policy(), None, [], "allowed"),
        (Policy(), None, ["x-rays"], "datasets"),
        (Policy(datasets=["faces"]), None, ["digits"], "policy.datasets"),
        (Policy(requesters=["alice"]), "alice", ["digits"], "allowed"),
        (Policy(requesters=["alice"]), "mallory", ["digits"], "policy.requesters"),
        (Policy(requesters=["alice"]), None, ["digits"], "policy.requesters"),
    ],
)
def test_an_invitation_is_judged_by_who_asks_for_which_data(
    policy: Policy, requester: str | None, datasets: list[str], expected: str
) -> None:
    assert rule(policies.on_invitation(policy, SILO, ["digits", "faces"], requester, datasets)) == expected


def test_a_refused_dataset_says_what_is_offered() -> None:
    decision = policies.on_dataset(Policy(datasets=["faces"]), SILO, ["digits", "faces"], "digits")
    assert isinstance(decision, Refused)
    assert "does not offer a dataset 'digits'; it offers faces" in decision.message


@pytest.mark.parametrize(
    ("policy", "operations", "expected"),
    [
        (Policy(), {"MatMul", "ReduceDataset"}, "allowed"),
        (Policy(), {"MatMul", "ReadFile"}, "policy.operations"),
        (Policy(), {"SomethingOfALaterTensorFlow"}, "policy.operations"),
        (Policy(operations=Operations(allow=["DecodePng"])), {"DecodePng"}, "allowed"),
        (Policy(operations=Operations(refuse=["MatMul"])), {"MatMul"}, "policy.operations"),
    ],
)
def test_a_computation_is_judged_by_its_operations(policy: Policy, operations: set[str], expected: str) -> None:
    assert rule(policies.on_operations(policy, SILO, operations)) == expected


def test_a_refused_operation_is_named() -> None:
    decision = policies.on_operations(Policy(), SILO, {"MatMul", "ReadFile", "PyFunc"})
    assert isinstance(decision, Refused)
    assert "PyFunc, ReadFile" in decision.message
    assert "MatMul" not in decision.message


@pytest.mark.parametrize(("clients", "expected"), [(0, "allowed"), (4, "policy.minClients"), (5, "allowed")])
def test_too_few_clients_are_refused_and_none_at_all_are_not(clients: int, expected: str) -> None:
    assert rule(policies.on_clients(Policy(min_clients=5), SILO, clients)) == expected


def test_the_audit_log_has_a_line_for_each_decision(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    for decision in (Allowed(), Refused("policy.operations", "no")):
        audit = Audit(path, SILO, "job-1", clock=lambda: 12.0)
        audit.record("work", decision, shard="ab" * 32)
        audit.close()
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {
        "time": 12.0, "silo": SILO, "job": "job-1", "subject": "work", "decision": "allowed", "shard": "ab" * 32
    }  # fmt: skip
    assert (second["decision"], second["rule"]) == ("refused", "policy.operations")


@pytest.mark.parametrize(
    "operation", ["ReadFile", "SaveV2", "PyFunc", "DataServiceDatasetV4", "Send", "PrintV2", "Recv"]
)
def test_the_default_list_has_nothing_that_reaches_out(operation: str) -> None:
    assert operation not in ALLOWED_OPERATIONS
