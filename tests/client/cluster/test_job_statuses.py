from __future__ import annotations

import pytest
from fedjobs.cluster import job_statuses
from fedjobs_api.statuses import JobPhase
from fedjobs_common.jobs.statuses import Phase, PhaseEvent, RoundEvent, SiloEvent, SiloState

from tests.client.cluster.jobs_on_a_cluster import AJob


def test_a_job_that_no_operator_has_seen_says_so() -> None:
    status = job_statuses.as_coordinator(AJob().body)
    assert (status.phase, status.message) == (Phase.STARTING, "No operator has processed the job yet.")


def test_the_status_is_shown_as_that_of_a_coordinator() -> None:
    job = AJob().running(
        round=3, metrics={"train/accuracy": "0.912", "train/loss": "nan", "odd": "much"}, coordinatorGeneration=2
    )
    status = job_statuses.as_coordinator(job.with_silo("hospital-a", "Working", device="cpu", clients=7).body)
    assert (status.phase, status.round, status.rounds, status.generation) == (Phase.RUNNING, 3, 20, 2)
    assert status.metrics["train/accuracy"] == 0.912
    assert "odd" not in status.metrics
    [row] = status.silos
    assert (row.name, row.state, row.device, row.clients) == ("hospital-a", SiloState.WORKING, "cpu", 7)


@pytest.mark.parametrize("phase", list(JobPhase))
def test_every_phase_can_be_shown(phase: JobPhase) -> None:
    assert job_statuses.as_coordinator(AJob().with_status(phase=phase.value).body).phase


def test_a_waiting_job_is_explained_by_the_condition_that_delays_it() -> None:
    job = AJob().with_status(phase="WaitingForSilos").with_condition("CoordinatorReady", "True")
    waiting = job.with_condition("QuorumReached", "False", "TooFewSilos", "hospital-b is missing")
    assert job_statuses.explanation(waiting.body) == ("TooFewSilos", "hospital-b is missing")
    assert job_statuses.explanation(waiting.running().body) == ("", "")


def test_a_spec_that_was_not_accepted_is_explained_first() -> None:
    job = AJob().with_status(phase="Pending").with_condition("CoordinatorReady", "False", "NotStarted", "no")
    refused = job.with_condition("Accepted", "False", "InvalidParameter", "spec.program.parameters.rounds: no")
    assert job_statuses.explanation(refused.body)[0] == "InvalidParameter"


def test_the_conditions_tell_whether_a_job_has_ended() -> None:
    assert job_statuses.end(AJob().running().body) is None
    assert job_statuses.end(AJob().complete().body) is JobPhase.COMPLETE
    assert job_statuses.end(AJob().failed("DeadlineExceeded", "late").body) is JobPhase.FAILED


def test_a_status_of_another_version_is_no_error() -> None:
    assert job_statuses.phase(AJob().with_status(phase="Dreaming").body) == ""


def test_events_are_the_changes_of_the_status() -> None:
    before = AJob().running(round=1).with_silo("hospital-a", "Working")
    assert job_statuses.events(before.body, before.body) == []
    lost = before.with_silo("hospital-a", "Lost", reason="Silent", message="not heard of")
    [event] = job_statuses.events(before.body, lost.body)
    assert isinstance(event, SiloEvent)
    assert (event.silo, event.state, event.message) == ("hospital-a", SiloState.LOST, "not heard of")
    later = lost.running(round=3, metrics={"evaluation/accuracy": "0.5"})
    [event] = job_statuses.events(lost.body, later.body)
    assert isinstance(event, RoundEvent)
    assert (event.round, event.metrics) == (3, {"evaluation/accuracy": 0.5})


def test_the_first_status_is_reported_completely() -> None:
    first = job_statuses.events(None, AJob().running(round=4).with_silo("hospital-a", "Ready").body)
    assert [type(event) for event in first] == [PhaseEvent, SiloEvent, RoundEvent]
