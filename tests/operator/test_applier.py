"""The applier carries out plans, and makes no unnecessary calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fedjobs_api.api_calls import ApiError
from fedjobs_operator.cluster.applier import RENEWED_EVERY_S, Applier, NameTakenError, ObjectRefusedError
from fedjobs_operator.planning.plans import Plan

from tests.operator.attempts import an_attempt
from tests.operator.builders import REF, ALook, a_job, a_look_at, running
from tests.operator.memory_apis import MemoryApi

ROUTE = f"fedjobs-system/{REF.service}"
EARLIER = replace(REF, uid="11111111-2222-3333-4444-555555555555")


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def applier(api: MemoryApi) -> Applier:
    return Applier(api, "fedjobs-system")


def carry_out(applier: Applier, look: ALook) -> Plan:
    plan = look.plan()
    assert plan.resolved is not None
    applier.keep(REF, plan.resolved)
    applier.apply(REF, plan)
    return plan


def test_a_new_job_gets_everything_once(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, a_look_at(a_job()))
    carry_out(applier, running(a_job()))
    carry_out(applier, running(a_job()))
    assert api.called("create", "Job") == ["digits-coordinator-1"]
    assert api.called("create", "PersistentVolumeClaim") == [REF.claim]
    assert api.called("create", "Service") == [REF.service, ROUTE]
    assert set(api.called("create", "ConfigMap")) == {"digits-resolved", "digits-hub"}
    assert api.called("create", "NetworkPolicy") == [REF.service]
    assert [call for call in api.calls if call[0] == "apply"] == []


def test_the_issuers_exist_before_the_pod_that_needs_them(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, a_look_at(a_job()))
    order = [(kind, name) for _, kind, name in api.calls]
    assert order.index(("ConfigMap", "digits-hub")) < order.index(("Job", "digits-coordinator-1"))


def test_a_rotated_authority_is_written_to_the_config_map(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, running(a_job()))
    api.calls.clear()
    carry_out(applier, replace(running(a_job()), trust="another issuer"))
    assert [call for call in api.calls if call[0] == "apply"] == [("apply", "ConfigMap", "digits-hub")]
    assert api.objects["ConfigMap", "digits-hub"]["data"]["ca.crt"] == "another issuer"


def test_a_changed_service_is_replaced_by_the_next_operator(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, running(a_job()))
    api.objects["Service", REF.service]["spec"]["selector"] = {"app": "theirs"}
    carry_out(Applier(api, "fedjobs-system"), running(a_job()))
    assert api.objects["Service", REF.service]["spec"]["selector"]["fedjobs.dev/job-uid"] == REF.uid
    assert api.called("delete", "Service") == [REF.service]


def test_a_job_that_runs_needs_no_further_calls(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, a_look_at(a_job()))
    carry_out(applier, running(a_job()))
    api.calls.clear()
    look = running(a_job()).plan()
    assert look.resolved is not None
    applier.apply(REF, look)
    assert api.calls == []


def test_a_deleted_object_comes_back(api: MemoryApi) -> None:
    now = 0.0
    applier = Applier(api, "fedjobs-system", lambda: now)
    carry_out(applier, running(a_job()))
    before = dict(api.objects)
    for key in (("Service", REF.service), ("Service", ROUTE), ("NetworkPolicy", REF.service), ("ConfigMap", REF.hub)):
        del api.objects[key]
    now = RENEWED_EVERY_S - 1
    applier.apply(REF, running(a_job()).plan())
    assert api.objects.keys() != before.keys()
    now = RENEWED_EVERY_S
    applier.apply(REF, running(a_job()).plan())
    assert api.objects.keys() == before.keys()


def test_another_operator_changes_nothing(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, a_look_at(a_job()))
    carry_out(applier, running(a_job()))
    before = {key: value["metadata"].get("uid") for key, value in api.objects.items()}
    carry_out(Applier(api, "fedjobs-system"), running(a_job()))
    assert {key: value["metadata"].get("uid") for key, value in api.objects.items()} == before


def test_the_deletion_of_an_earlier_jobs_objects_is_waited_for(api: MemoryApi, applier: Applier) -> None:
    """The cluster deletes it later, because its owner is deleted. If the new job used it, it would disappear then."""
    Applier(api, "fedjobs-system").apply(EARLIER, a_look_at(a_job().with_("metadata.uid", EARLIER.uid)).plan())
    del api.objects["ConfigMap", "digits-hub"]
    plan = a_look_at(a_job()).plan()
    with pytest.raises(ApiError, match="A Job digits-coordinator-1 exists already") as refused:
        applier.apply(REF, plan)
    assert not isinstance(refused.value, ObjectRefusedError)  # nobody needs to do anything
    del api.objects["Job", "digits-coordinator-1"]
    applier.apply(REF, plan)
    assert api.objects["Job", "digits-coordinator-1"]["metadata"]["labels"]["fedjobs.dev/job-uid"] == REF.uid


def test_a_retained_claim_of_an_earlier_job_of_the_same_name_is_left_alone(api: MemoryApi, applier: Applier) -> None:
    plan = a_look_at(a_job()).plan()
    claims = [m["metadata"]["name"] for m in plan.apply if m["kind"] == "PersistentVolumeClaim"]
    assert claims == [REF.claim]
    assert EARLIER.claim != REF.claim


def test_a_stored_resolution_counts_if_it_is_the_same(api: MemoryApi, applier: Applier) -> None:
    first, second = (a_look_at(a_job().with_("spec.dataset", name)).plan().resolved for name in ("digits", "letters"))
    assert first is not None
    assert second is not None
    applier.keep(REF, first)
    applier.keep(REF, first)
    with pytest.raises(NameTakenError, match="A ConfigMap digits-resolved exists already"):
        applier.keep(REF, second)


def test_a_foreign_config_map_is_reported_with_a_remedy(api: MemoryApi, applier: Applier) -> None:
    resolved = a_look_at(a_job()).plan().resolved
    assert resolved is not None
    api.create({"kind": "ConfigMap", "metadata": {"name": "digits-resolved", "namespace": "team"}})
    remedy = r"Delete it \(kubectl delete configmap digits-resolved --namespace team\), or create the job digits under"
    with pytest.raises(NameTakenError, match=remedy):
        applier.keep(REF, resolved)


def test_another_jobs_resolution_does_not_count(api: MemoryApi, applier: Applier) -> None:
    resolved = a_look_at(a_job()).plan().resolved
    assert resolved is not None
    applier.keep(EARLIER, resolved)
    with pytest.raises(ApiError, match="A ConfigMap digits-resolved exists already"):
        applier.keep(REF, resolved)


def test_a_suspended_job_cannot_be_reached_and_a_resumed_one_can_again(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, a_look_at(a_job()))
    assert ("Service", ROUTE) not in api.objects
    carry_out(applier, running(a_job()))
    assert ("Service", ROUTE) in api.objects
    suspended = running(a_job()).but(a_job().suspended())
    carry_out(applier, suspended)
    assert ("Service", ROUTE) not in api.objects
    assert ("Service", REF.service) not in api.objects  # so that it uses none of the cluster's IP addresses
    assert ("NetworkPolicy", REF.service) not in api.objects
    assert api.objects["Job", "digits-coordinator-1"]["spec"]["suspend"] is True
    api.calls.clear()
    carry_out(applier, suspended.then().with_attempts(an_attempt(1).suspended()))
    assert api.called("delete", "Service") == []  # the applier deletes it only once
    resumed = suspended.then().with_attempts(an_attempt(1).suspended()).but(a_job())
    carry_out(applier, resumed)
    assert api.objects["Job", "digits-coordinator-1"]["spec"]["suspend"] is False
    assert {("Service", REF.service), ("NetworkPolicy", REF.service)} <= set(api.objects)
    assert ("Service", ROUTE) not in api.objects
    carry_out(applier, running(a_job()))
    assert ("Service", ROUTE) in api.objects


def test_a_job_that_waits_in_a_queue_holds_no_address(api: MemoryApi, applier: Applier) -> None:
    queued = a_job().in_a_queue()
    carry_out(applier, a_look_at(queued))
    assert ("Service", REF.service) in api.objects
    carry_out(applier, running(queued).with_attempts(an_attempt(1).in_a_queue().suspended()))
    assert not [name for kind, name in api.objects if kind in ("Service", "NetworkPolicy")]


def test_a_job_that_has_ended_holds_no_address(api: MemoryApi, applier: Applier) -> None:
    carry_out(applier, running(a_job()))
    carry_out(applier, running(a_job()).with_attempts(an_attempt(1).complete()))
    assert not [name for kind, name in api.objects if kind in ("Service", "NetworkPolicy")]


def test_a_route_stays_while_a_coordinator_restarts(api: MemoryApi) -> None:
    carry_out(Applier(api, "fedjobs-system"), running(a_job()))
    carry_out(Applier(api, "fedjobs-system"), running(a_job()).with_attempts(an_attempt(1).crashed()).at(100))
    assert ("Service", ROUTE) in api.objects


def test_a_refused_call_is_retried(api: MemoryApi, applier: Applier) -> None:
    api.refused["create", "Job"] = ApiError(403, "exceeded quota")
    with pytest.raises(ApiError, match="exceeded quota"):
        carry_out(applier, a_look_at(a_job()))
    api.refused.clear()
    carry_out(applier, a_look_at(a_job()))
    assert ("Job", "digits-coordinator-1") in api.objects


def test_created_children_are_reported(applier: Applier) -> None:
    plan = a_look_at(a_job()).plan()
    assert plan.resolved is not None
    created = applier.apply(REF, plan)
    assert [child["kind"] for child in created] == ["PersistentVolumeClaim", "Job"]


@pytest.mark.parametrize("status", [404, 409])
def test_the_status_of_a_deleted_job_is_not_written(api: MemoryApi, applier: Applier, status: int) -> None:
    api.refused["apply", "FederatedJob"] = ApiError(status, "gone")
    assert applier.write_status(REF, a_look_at(a_job()).plan().status) is None
    api.objects["FederatedJob", "digits"] = a_job().with_("metadata.uid", "new").body
    assert applier.write_status(REF, a_look_at(a_job()).plan().status) is None


def test_a_job_is_not_considered_deleted_after_a_temporary_error(api: MemoryApi, applier: Applier) -> None:
    api.objects["FederatedJob", "digits"] = a_job().body
    api.refused["apply", "FederatedJob"] = ApiError(404, "the server could not find the requested resource")
    with pytest.raises(ApiError, match="could not find"):
        applier.write_status(REF, a_look_at(a_job()).plan().status)


def test_a_status_that_is_refused_is_an_error(api: MemoryApi, applier: Applier) -> None:
    api.refused["apply", "FederatedJob"] = ApiError(403, "forbidden")
    with pytest.raises(ApiError, match="forbidden"):
        applier.write_status(REF, a_look_at(a_job()).plan().status)


def test_a_finished_job_is_deleted_only_if_it_has_the_same_uid(api: MemoryApi, applier: Applier) -> None:
    plan = replace(a_look_at(a_job()).plan(), apply=(), delete_job=True)
    assert plan.resolved is not None
    applier.apply(REF, plan)
    assert api.called("delete", "FederatedJob") == ["digits"]
