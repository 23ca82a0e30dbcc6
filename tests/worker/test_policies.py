"""What a silo's policy says, as plain values."""

from __future__ import annotations

import pytest
from fedjobs_common.digests import digest
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_verifier import ALLOWED_OPERATIONS
from fedjobs_worker.consent import policies
from fedjobs_worker.consent.policies import Refused
from fedjobs_worker.policy_files import Policy

SILO = "hospital-a"
OFFERED = ["digits", "faces"]


def a_policy(**fields: object) -> Policy:
    return Policy.model_validate(fields)


def an_invitation(**fields: object) -> Invitation:
    needed = {"job_uid": "1", "job_name": "digits", "program": "fedavg", "datasets": ["digits"], "address": "x:1"}
    return Invitation.model_validate(needed | {"server_name": "x"} | fields)


def rule(decision: policies.Decision) -> str:
    return decision.rule if isinstance(decision, Refused) else "allowed"


@pytest.mark.parametrize(
    ("policy", "invitation", "expected"),
    [
        ({}, {}, "allowed"),
        ({}, {"datasets": []}, "allowed"),
        ({}, {"datasets": ["x-rays"]}, "datasets"),
        ({"datasets": ["faces"]}, {}, "policy.datasets"),
        ({"requesters": ["alice"]}, {"requested_by": "alice"}, "allowed"),
        ({"requesters": ["alice"]}, {"requested_by": "mallory"}, "policy.requesters"),
        ({"requesters": ["alice"]}, {}, "policy.requesters"),
        ({"namespaces": ["research"]}, {"namespace": "research"}, "allowed"),
        ({"namespaces": ["research"]}, {"namespace": "ads"}, "policy.namespaces"),
        ({"namespaces": ["research"]}, {}, "policy.namespaces"),
        ({"limits": {"roundsPerJob": 10}}, {"rounds": 10}, "allowed"),
        ({"limits": {"roundsPerJob": 10}}, {}, "allowed"),  # the job does not say: they are counted as they come
        ({"limits": {"roundsPerJob": 10}}, {"rounds": 11}, "policy.limits.roundsPerJob"),
        ({"minCohortSize": 3}, {"min_silos": 3}, "allowed"),
        ({"minCohortSize": 3}, {"min_silos": 2}, "policy.minCohortSize"),
        ({"requireDifferentialPrivacy": True}, {"differential_privacy": True}, "allowed"),
        ({"requireDifferentialPrivacy": True}, {}, "policy.requireDifferentialPrivacy"),
        ({"requireSecureAggregation": True}, {"secure_aggregation": True}, "allowed"),
        ({"requireSecureAggregation": True}, {}, "policy.requireSecureAggregation"),
    ],
)
def test_an_invitation_is_judged(policy: dict[str, object], invitation: dict[str, object], expected: str) -> None:
    assert rule(policies.on_invitation(a_policy(**policy), SILO, OFFERED, an_invitation(**invitation))) == expected


@pytest.mark.parametrize(("tell", "said"), [(True, "'digits'. It offers: faces."), (False, "'digits'.")])
def test_a_refused_dataset_says_what_is_offered_where_that_may_be_told(tell: bool, said: str) -> None:
    decision = policies.on_dataset(a_policy(datasets=["faces"], shareDatasetNames=tell), SILO, OFFERED, "digits")
    assert isinstance(decision, Refused)
    assert decision.message.endswith(said)


@pytest.mark.parametrize(
    ("changes", "operations", "expected"),
    [
        ({}, {"MatMul", "ReduceDataset"}, "allowed"),
        ({}, {"MatMul", "ReadFile"}, "policy.computations.operations"),
        ({}, {"SomethingOfALaterTensorFlow"}, "policy.computations.operations"),
        ({"allow": ["DecodePng"]}, {"DecodePng"}, "allowed"),
        ({"deny": ["MatMul"]}, {"MatMul"}, "policy.computations.operations"),
    ],
)
def test_a_computation_is_judged_by_its_operations(
    changes: dict[str, object], operations: set[str], expected: str
) -> None:
    policy = a_policy(computations={"operations": changes})
    assert rule(policies.on_operations(policy, SILO, operations)) == expected


def test_a_refused_operation_is_named() -> None:
    decision = policies.on_operations(Policy(), SILO, {"MatMul", "ReadFile", "PyFunc"})
    assert isinstance(decision, Refused)
    assert "PyFunc, ReadFile" in decision.message
    assert "MatMul" not in decision.message


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        (None, "allowed"),
        ([digest(b"one")], "allowed"),
        ([digest(b"other")], "policy.computations.digests"),
        ([], "policy.computations.digests"),
    ],
)
def test_a_computation_is_judged_by_its_digest(digests: list[str] | None, expected: str) -> None:
    policy = a_policy(computations={"digests": digests})
    assert rule(policies.on_digest(policy, SILO, digest(b"one"), ["digits"])) == expected


@pytest.mark.parametrize(("clients", "expected"), [(0, "allowed"), (4, "policy.minClients"), (5, "allowed")])
def test_too_few_clients_are_refused_and_none_at_all_are_not(clients: int, expected: str) -> None:
    assert rule(policies.on_clients(a_policy(minClients=5), SILO, clients)) == expected


@pytest.mark.parametrize(
    "operation", ["ReadFile", "SaveV2", "PyFunc", "DataServiceDatasetV4", "Send", "PrintV2", "Recv"]
)
def test_the_default_list_has_nothing_that_reaches_out(operation: str) -> None:
    assert operation not in ALLOWED_OPERATIONS
