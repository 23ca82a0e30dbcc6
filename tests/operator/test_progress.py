"""From the coordinator's reports to the job's status."""

from __future__ import annotations

import pytest
from fedjobs_api.conditions import Reason
from fedjobs_api.statuses import FederatedJobStatus, JobPhase, SiloRow
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import Phase, SiloState, SiloStatus, Status
from fedjobs_operator.planning import progress
from fedjobs_operator.planning.acceptance import Accepted, accept

from tests.operator.builders import HOSPITALS, a_job, a_report


@pytest.fixture
def resolved() -> ResolvedJob:
    found = accept(a_job().body, HOSPITALS, None, ())
    assert isinstance(found, Accepted)
    return found.resolved


def test_without_a_report_all_silos_are_invited(resolved: ResolvedJob) -> None:
    status = progress.progressed(FederatedJobStatus(), resolved, None)
    assert status.silos == [SiloRow(name=name, state=SiloState.INVITED) for name in ("hospital-a", "hospital-b")]
    assert (status.ready_silos, status.total_silos) == (0, 2)


def test_without_a_report_the_earlier_progress_stays(resolved: ResolvedJob) -> None:
    known = progress.progressed(FederatedJobStatus(), resolved, a_report(round=3))
    assert progress.progressed(known, resolved, None) == known


def test_a_row_omits_empty_fields(resolved: ResolvedJob) -> None:
    silos = [
        SiloStatus(name="hospital-a", state=SiloState.WORKING, device="gpu:0", clients=3, restarts=1),
        SiloStatus(name="hospital-b", state=SiloState.REFUSED, reason="shard", message="Not approved."),
    ]
    status = progress.progressed(FederatedJobStatus(), resolved, a_report(silos=silos))
    assert status.silos == [
        SiloRow(name="hospital-a", state=SiloState.WORKING, device="gpu:0", clients=3, restarts=1),
        SiloRow(name="hospital-b", state=SiloState.REFUSED, reason="shard", message="Not approved."),
    ]
    assert (status.ready_silos, status.total_silos) == (1, 2)


def test_a_coordinator_that_restarts_its_counters_does_not_decrease_the_status(resolved: ResolvedJob) -> None:
    known = progress.progressed(
        FederatedJobStatus(), resolved, a_report(round=7, computation="cd", metrics={"loss": 0.5})
    )
    again = progress.progressed(known, resolved, a_report(Phase.STARTING, round=0, rounds=0, generation=2))
    assert (again.completed_rounds, again.total_rounds, again.computation_digest, again.metrics) == (
        7,
        20,
        "cd",
        {"loss": "0.5"},
    )
    assert again.coordinator_generation == 2


@pytest.mark.parametrize(
    ("value", "text"), [(0.1 + 0.2, "0.3"), (1e-9, "1e-09"), (float("nan"), "nan"), (float("inf"), "inf"), (3, "3")]
)
def test_metrics_are_strings(resolved: ResolvedJob, value: float, text: str) -> None:
    status = progress.progressed(FederatedJobStatus(), resolved, a_report(metrics={"train/loss": value}))
    assert status.metrics == {"train/loss": text}


def test_a_status_has_no_more_than_64_metrics(resolved: ResolvedJob) -> None:
    many = {f"silo/{number:03}": 1.0 for number in range(1000)}
    assert len(progress.progressed(FederatedJobStatus(), resolved, a_report(metrics=many)).metrics or {}) == 64


@pytest.mark.parametrize(
    ("report", "phase"),
    [
        (a_report(Phase.STARTING), JobPhase.STARTING),
        (a_report(Phase.WAITING_FOR_SILOS), JobPhase.WAITING_FOR_SILOS),
        (a_report(Phase.RUNNING), JobPhase.RUNNING),
        (a_report(Phase.EXPORTING), JobPhase.EXPORTING),
    ],
)
def test_the_phase_is_the_coordinators_while_it_runs(report: Status | None, phase: JobPhase) -> None:
    assert progress.phase(report, JobPhase.RUNNING, listens=True) is phase


@pytest.mark.parametrize(
    ("before", "listens", "phase"),
    [
        (JobPhase.RUNNING, True, JobPhase.RUNNING),
        (JobPhase.WAITING_FOR_SILOS, True, JobPhase.WAITING_FOR_SILOS),
        (JobPhase.RUNNING, False, JobPhase.STARTING),
        (JobPhase.SUSPENDED, True, JobPhase.STARTING),
        (None, True, JobPhase.STARTING),
    ],
)
def test_a_restarted_operator_does_not_undo_what_the_last_one_reported(
    before: JobPhase | None, listens: bool, phase: JobPhase
) -> None:
    assert progress.phase(None, before, listens=listens) is phase


@pytest.mark.parametrize("phase", [Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED])
def test_a_job_has_not_ended_only_because_its_coordinator_says_so(phase: Phase) -> None:
    """Only the end of its Job ends it. Until then, the phase does not change."""
    assert progress.phase(a_report(phase), JobPhase.EXPORTING, listens=True) is JobPhase.EXPORTING


@pytest.mark.parametrize("report", [None, a_report(Phase.STARTING), a_report(Phase.FAILED)])
def test_an_unknown_quorum_has_no_condition(report: Status | None) -> None:
    assert progress.quorum(report, 2) is None


def test_a_quorum_that_is_not_reached_names_who_is_missing_and_why() -> None:
    silos = [
        SiloStatus(name="a", state=SiloState.READY),
        SiloStatus(name="b", state=SiloState.DECLINED, reason="gpu"),
        SiloStatus(name="c", state=SiloState.INVITED),
    ]
    found = progress.quorum(a_report(Phase.WAITING_FOR_SILOS, silos=silos), 2)
    assert found is not None
    assert (found.is_true, found.reason) == (False, Reason.WAITING_FOR_SILOS)
    assert (
        found.message == "1 silo has joined, and the job needs at least 2. Missing: b is Declined (gpu); c is Invited."
    )


def test_silos_that_have_joined_may_still_have_to_consent() -> None:
    silos = [SiloStatus(name=name, state=SiloState.READY) for name in "ab"]
    found = progress.quorum(a_report(Phase.WAITING_FOR_SILOS, silos=silos), 2)
    assert found is not None
    assert not found.is_true
    assert found.message == "2 silos have joined, and the job needs at least 2. The silos are checking the computation."


def test_a_round_that_waits_although_all_silos_have_joined_has_the_coordinators_reason() -> None:
    silos = [SiloStatus(name=name, state=SiloState.READY) for name in "ab"]
    why = "1 of 2 silos are ready; b is asked again later (DataNotFound: There is no file.)"
    found = progress.quorum(a_report(Phase.WAITING_FOR_SILOS, silos=silos, message=why), 2)
    assert found is not None
    assert not found.is_true
    assert found.message == f"2 silos have joined, and the job needs at least 2. {why}."


def test_a_round_that_runs_had_its_quorum() -> None:
    found = progress.quorum(a_report(Phase.RUNNING), 2)
    assert found is not None
    assert (found.is_true, found.reason) == (True, Reason.QUORUM_REACHED)
