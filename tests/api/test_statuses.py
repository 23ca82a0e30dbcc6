from __future__ import annotations

from fedjobs_common.jobs.statuses import Phase, SiloState
from fedjobs_operator.api.statuses import FederatedJobStatus, JobPhase, SiloRow


def test_a_status_is_read_back_as_it_was_written() -> None:
    status = FederatedJobStatus(phase=JobPhase.RUNNING, silos=[SiloRow(name="hospital-a", state=SiloState.READY)])
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert written == {"phase": "Running", "silos": [{"name": "hospital-a", "state": "Ready"}]}
    assert FederatedJobStatus.model_validate(written) == status


def test_what_a_newer_operator_wrote_does_not_keep_an_older_one_from_working() -> None:
    assert FederatedJobStatus.model_validate({"round": 3, "newer": {"a": 1}}) == FederatedJobStatus(round=3)


def test_every_phase_of_a_coordinator_is_one_of_the_job() -> None:
    assert {phase.value for phase in Phase} | {"Pending"} == {phase.value for phase in JobPhase}
