from __future__ import annotations

from fedjobs_api.statuses import FederatedJobStatus, JobPhase, SiloRow
from fedjobs_common.jobs.statuses import Phase, SiloState


def test_a_status_survives_a_round_trip() -> None:
    status = FederatedJobStatus(phase=JobPhase.RUNNING, silos=[SiloRow(name="hospital-a", state=SiloState.READY)])
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert written == {"phase": "Running", "silos": [{"name": "hospital-a", "state": "Ready"}]}
    assert FederatedJobStatus.model_validate(written) == status


def test_an_older_operator_ignores_fields_of_a_newer_one() -> None:
    assert FederatedJobStatus.model_validate({"completedRounds": 3, "newer": {"a": 1}}) == FederatedJobStatus(
        completed_rounds=3
    )


def test_an_older_operator_leaves_out_values_of_a_newer_one_and_keeps_the_others() -> None:
    """After a rollback. A finished job stays finished."""
    complete = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-31T12:00:00Z", "reason": "Done"}
    written = {
        "phase": "Dreaming",
        "completedRounds": 3,
        "conditions": [{**complete, "type": "New", "status": "Perhaps"}, complete | {"message": ""}],
        "silos": [{"name": "a", "state": "Ready"}, {"name": "b", "state": "Meditating"}],
    }
    status = FederatedJobStatus.read(written)
    assert (status.phase, status.completed_rounds) == (None, 3)
    assert [condition.type for condition in status.conditions or ()] == ["Complete"]
    assert [row.name for row in status.silos or ()] == ["a"]


def test_every_phase_of_a_coordinator_is_one_of_the_job() -> None:
    assert {phase.value for phase in Phase} | {"Pending"} == {phase.value for phase in JobPhase}
