"""Converts the status of a FederatedJob to the status and the events that a local coordinator writes."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fedjobs_api.conditions import Condition, JobCondition
from fedjobs_api.statuses import FederatedJobStatus, JobPhase, SiloRow
from fedjobs_common.jobs.statuses import Phase, PhaseEvent, ProgressEvent, RoundEvent, SiloEvent, SiloStatus, Status
from pydantic import ValidationError

from fedjobs.cluster.federated_jobs import Body

# Conditions that explain a phase, with the status that they have then. The best explanation comes first.
_EXPLAINING = (
    (JobCondition.FAILED, "True"),
    (JobCondition.ACCEPTED, "False"),
    (JobCondition.NODE_LOST, "True"),
    (JobCondition.SUSPENDED, "True"),
    (JobCondition.COORDINATOR_READY, "False"),
    (JobCondition.QUORUM_REACHED, "False"),
    (JobCondition.SPEC_CHANGED, "True"),
)
_ENDS = {JobPhase.COMPLETE: JobCondition.COMPLETE, JobPhase.FAILED: JobCondition.FAILED}
_NOT_TAKEN_UP = "No operator has processed the job yet."


def status_of(job: Body) -> FederatedJobStatus:
    """Returns the status that the operator wrote, or an empty one if an incompatible version wrote it."""
    try:
        return FederatedJobStatus.read(job.get("status") or {})
    except ValidationError:
        return FederatedJobStatus()


def end(job: Body) -> JobPhase | None:
    """Returns COMPLETE or FAILED, or None for a job that has not ended."""
    conditions = _conditions(status_of(job))
    for phase, kind in _ENDS.items():
        if kind in conditions and conditions[kind].status == "True":
            return phase
    return None


def phase(job: Body) -> str:
    """Returns the phase as one word, or an empty string if no operator has processed the job yet."""
    written = status_of(job).phase
    return written.value if written is not None else ""


def explanation(job: Body) -> tuple[str, str]:
    """Returns the reason and the message that explain the job's phase, or empty strings."""
    status = status_of(job)
    conditions = _conditions(status)
    if status.phase in (JobPhase.RUNNING, JobPhase.EXPORTING, JobPhase.COMPLETE):
        wanted = [pair for pair in _EXPLAINING if pair[0] in (JobCondition.NODE_LOST, JobCondition.SPEC_CHANGED)]
    else:
        wanted = list(_EXPLAINING)
    for kind, value in wanted:
        if kind in conditions and conditions[kind].status == value:
            return conditions[kind].reason, conditions[kind].message
    return ("", "") if status.phase is not None else ("", _NOT_TAKEN_UP)


def as_coordinator(job: Body) -> Status:
    """Converts to a coordinator's status. It lacks what only the coordinator knows: bytes and the time left."""
    status = status_of(job)
    reason, message = explanation(job)
    return Status(
        job_uid=job["metadata"]["uid"],
        job_name=job["metadata"]["name"],
        phase=_phase(status),
        generation=status.coordinator_generation or status.attempt or 1,
        round=status.completed_rounds or 0,
        rounds=status.total_rounds or 0,
        silos=[_row(row) for row in status.silos or ()],
        metrics=_metrics(status.metrics),
        message=message,
        code=reason if status.phase is JobPhase.FAILED else "",
    )


def events(before: Body | None, after: Body) -> list[ProgressEvent]:
    """Returns the events between two states of a job. `before` is None for the first state."""
    now = time.time()
    old, new = (None if before is None else as_coordinator(before)), as_coordinator(after)
    found: list[ProgressEvent] = []
    if old is None or (old.phase, old.message) != (new.phase, new.message):
        found.append(PhaseEvent(time=now, phase=new.phase, message=new.message))
    rows = {} if old is None else {row.name: row for row in old.silos}
    for row in new.silos:
        earlier = rows.get(row.name)
        if earlier is None or (earlier.state, earlier.reason) != (row.state, row.reason):
            found.append(SiloEvent(time=now, silo=row.name, state=row.state, reason=row.reason, message=row.message))
    if new.round > (0 if old is None else old.round):
        # Several rounds may have completed since. The status only has the metrics of the last one.
        found.append(
            RoundEvent(time=now, round=new.round, seconds=0.0, silos=[], bytes_down=0, bytes_up=0, metrics=new.metrics)
        )
    return found


def _conditions(status: FederatedJobStatus) -> dict[str, Condition]:
    return {condition.type: condition for condition in status.conditions or ()}


def _phase(status: FederatedJobStatus) -> Phase:
    """Returns the coordinator's phase. A job that waits for a coordinator is STARTING."""
    if status.phase in (None, JobPhase.PENDING):
        return Phase.STARTING
    return Phase(status.phase.value)


def _row(row: SiloRow) -> SiloStatus:
    return SiloStatus(
        name=row.name,
        state=row.state,
        reason=row.reason or "",
        message=row.message or "",
        device=row.device or "",
        clients=row.clients or 0,
        restarts=row.restarts or 0,
    )


def _metrics(written: Mapping[str, str] | None) -> dict[str, float]:
    found = {}
    for name, text in (written or {}).items():
        try:
            found[name] = float(text)
        except ValueError:
            continue  # a newer version may write other values than numbers
    return found
