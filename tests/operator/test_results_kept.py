"""A computed result is never lost if its export fails."""

from __future__ import annotations

import pytest
from fedjobs_api.conditions import JobCondition
from fedjobs_operator.cluster.applier import Applier

from tests.operator.attempts import an_attempt
from tests.operator.builders import REF, AJob, ALook, a_job, condition, running
from tests.operator.memory_apis import MemoryApi

TO_S3 = a_job().writing_to("s3://models/digits").kept_for(60)
DELETED = TO_S3.with_("spec.coordinator.storage", {"whenDeleted": "Delete"})
RETAINED = TO_S3.with_("spec.coordinator.storage", {"whenDeleted": "Retain"})
REFUSED = an_attempt(1).failed_for_good("InvalidOutput", "The credentials are wrong.")
EXPORTED = an_attempt(1).complete(result="s3://models/digits")


def ended(job: AJob, *attempts: object) -> ALook:
    return running(job).with_attempts(*attempts).at(101)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "owned"),
    [(TO_S3, True), (a_job().writing_to_the_claim("models"), True), (a_job(), False), (RETAINED, False)],
    ids=["s3", "a claim", "no output", "Retain"],
)
def test_the_job_owns_the_claim_after_the_result_is_copied_elsewhere(job: AJob, owned: bool) -> None:
    assert ended(job, EXPORTED).plan().own_claim is owned
    assert ended(job, REFUSED).plan().own_claim is False


def test_a_claim_gets_its_owner_before_the_job_is_complete_and_does_not_change_otherwise() -> None:
    api = MemoryApi()
    metadata = {"name": REF.claim, "namespace": "team", "labels": REF.labels("coordinator")}
    api.create({"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}})
    Applier(api, "fedjobs-system").apply(REF, ended(TO_S3, EXPORTED).plan())
    assert api.objects["PersistentVolumeClaim", REF.claim]["metadata"]["ownerReferences"] == [REF.owner()]


def test_a_failed_job_is_deleted_after_its_time_to_live_if_its_claim_stays() -> None:
    look = ended(TO_S3, REFUSED).then()
    assert look.at(160).plan().delete_job is False
    assert look.at(161).plan().delete_job is True


def test_a_failed_job_has_no_time_to_live_if_its_claim_would_be_deleted_with_it() -> None:
    look = ended(DELETED, REFUSED).then()
    assert (look.at(10**9).plan().delete_job, look.at(10**9).plan().look_again) == (False, None)
    assert ended(DELETED, EXPORTED).then().at(161).plan().delete_job is True


@pytest.mark.parametrize("output", [{}, {"formats": ["keras"]}])
def test_a_clock_never_deletes_the_only_copy_of_a_result(output: dict[str, object]) -> None:
    job = DELETED.with_("spec.output", output)
    look = ended(job, an_attempt(1).complete(result="/state/result")).then()
    assert condition(look.plan().status, JobCondition.COMPLETE) is not None
    assert (look.at(10**9).plan().delete_job, look.at(10**9).plan().look_again) == (False, None)


def test_a_claim_of_somebody_else_does_not_get_an_owner() -> None:
    api = MemoryApi()
    api.create({"kind": "PersistentVolumeClaim", "metadata": {"name": REF.claim, "namespace": "team"}, "spec": {}})
    Applier(api, "fedjobs-system").apply(REF, ended(TO_S3, EXPORTED).plan())
    assert "ownerReferences" not in api.objects["PersistentVolumeClaim", REF.claim]["metadata"]


def test_the_message_of_a_refused_output_names_the_results_location() -> None:
    found = condition(ended(TO_S3, REFUSED).plan().status, JobCondition.FAILED)
    assert found is not None
    assert found.message == f"The credentials are wrong. The result is in the claim {REF.claim}."
