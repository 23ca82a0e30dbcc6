"""A running job that is edited continues as it was accepted, and its status reports the edit."""

from __future__ import annotations

import copy
from dataclasses import replace

from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.statuses import JobPhase

from tests.operator.attempts import an_attempt
from tests.operator.builders import AJob, a_job, condition, coordinator_jobs, is_invited, running, said

ROUNDS = "spec.program.parameters.rounds"


def message(job: AJob) -> str:
    found = condition(running(a_job()).but(job).plan().status, JobCondition.SPEC_CHANGED)
    assert found is not None
    assert (found.status, found.reason) == ("True", Reason.CHANGES_IGNORED)
    return found.message


def test_a_job_that_was_not_edited_has_no_such_condition() -> None:
    assert said(running(a_job()).plan().status, JobCondition.SPEC_CHANGED) is None


def test_an_edit_is_reported_with_its_path() -> None:
    assert message(a_job().edited(ROUNDS, 99)) == (
        "Edits after the job was accepted have no effect: spec.program.parameters.rounds."
        " Create a new job to run with them."
    )


def test_an_invalid_edit_is_reported_too_and_does_not_stop_the_job() -> None:
    look = running(a_job()).but(a_job().edited(ROUNDS, -1))
    assert "spec.program.parameters.rounds" in message(look.job)
    assert said(look.plan().status, JobCondition.ACCEPTED) == ("True", Reason.RESOLVED)


def test_the_run_continues_with_the_resolved_job() -> None:
    before = running(a_job())
    plan = before.but(a_job().edited(ROUNDS, 99)).plan()
    assert plan.resolved == before.resolved
    assert plan.status.resolved == before.plan().status.resolved
    assert is_invited(plan)


def test_a_parameter_that_a_newer_release_added_is_no_edit() -> None:
    """The job was accepted by a release whose program did not have it."""
    look = running(a_job())
    assert look.resolved is not None
    parameters = copy.deepcopy(look.resolved.program.parameters)
    assert "epochs" not in a_job().spec["program"]["parameters"]["client"]
    del parameters["client"]["epochs"]
    program = look.resolved.program.model_copy(update={"parameters": parameters})
    older = replace(look, resolved=look.resolved.model_copy(update={"program": program}))
    assert said(older.plan().status, JobCondition.SPEC_CHANGED) is None
    edited = older.but(a_job().edited("spec.program.parameters.client.epochs", 9))
    found = condition(edited.plan().status, JobCondition.SPEC_CHANGED)
    assert found is not None
    assert "spec.program.parameters.client.epochs" in found.message


def test_a_reverted_edit_is_not_reported() -> None:
    look = running(a_job()).but(a_job().edited(ROUNDS, 99)).then().but(a_job())
    assert said(look.plan().status, JobCondition.SPEC_CHANGED) == ("False", Reason.CHANGES_IGNORED)


def test_edits_of_mutable_fields_are_not_reported() -> None:
    job = a_job().edited("spec.backoffLimit", 9).with_deadline(1000).kept_for(60)
    assert said(running(a_job()).but(job).plan().status, JobCondition.SPEC_CHANGED) is None


def test_more_memory_applies_to_the_next_attempt() -> None:
    job = a_job().edited("spec.coordinator", {"resources": {"limits": {"memory": "8Gi"}}})
    plan = running(a_job()).but(job).with_attempts(an_attempt(1).crashed(exit_code=137)).at(100).plan()
    assert coordinator_jobs(plan) == ["digits-coordinator-2"]
    container = plan.apply[-1]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"memory": "8Gi"}


def test_a_spec_that_became_unreadable_is_reported_and_changes_nothing() -> None:
    """The API server validates less than the operator."""
    look = running(a_job()).but(a_job().edited("spec.activeDeadlineSeconds", 0.5))
    plan = look.plan()
    assert said(plan.status, JobCondition.ACCEPTED) == ("False", Reason.INVALID_SPEC)
    assert (plan.resolved, plan.apply, plan.suspend, plan.delete, plan.withdraw) == (None, (), {}, (), False)
    assert plan.status.phase is JobPhase.STARTING
