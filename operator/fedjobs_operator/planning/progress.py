"""Updates a job's status from the coordinator's reports and its final word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedjobs_api.conditions import Reason
from fedjobs_api.statuses import FederatedJobStatus, JobPhase, SiloRow
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import FinalWord, Phase, SiloState, SiloStatus, Status
from fedjobs_common.untrusted_text import printable

from fedjobs_operator.planning.conditions import Verdict

_JOINED = frozenset({SiloState.READY, SiloState.WORKING})
_MOST_METRICS = 64
_LONGEST_REASON = 2000  # characters
_PHASES = {
    Phase.STARTING: JobPhase.STARTING,
    Phase.WAITING_FOR_SILOS: JobPhase.WAITING_FOR_SILOS,
    Phase.RUNNING: JobPhase.RUNNING,
    Phase.EXPORTING: JobPhase.EXPORTING,
}


def progressed(status: FederatedJobStatus, resolved: ResolvedJob, report: Status | None) -> FederatedJobStatus:
    """Returns the status with rounds, silos and metrics from a report. Without a report, it lists the invited silos.

    The number of completed rounds never decreases: a restarted coordinator reports 0 until it has read its checkpoint.
    """
    if report is None:
        if status.silos:
            return status
        rows = [SiloRow(name=name, state=SiloState.INVITED) for name in resolved.silos]
        return status.model_copy(update={"silos": rows, "ready_silos": 0, "total_silos": len(rows)})
    changes: dict[str, Any] = {
        "completed_rounds": max(status.completed_rounds or 0, report.round),
        "total_rounds": report.rounds or status.total_rounds,
        "coordinator_generation": report.generation,
        "computation_digest": report.computation or status.computation_digest,
    }
    return status.model_copy(update=changes | _silos(report.silos, resolved) | _metrics(report.metrics))


def ended(status: FederatedJobStatus, resolved: ResolvedJob, word: FinalWord | None) -> FederatedJobStatus:
    """Returns the status with the contents of a final word.

    The final word is newer than the last report: the operator may not have received a report of the last rounds.
    """
    if word is None:
        return status
    changes: dict[str, Any] = {
        "completed_rounds": max(status.completed_rounds or 0, word.round),
        "total_rounds": word.rounds or status.total_rounds,
        "computation_digest": word.computation or status.computation_digest,
    }
    silos = _silos(word.silos, resolved) if word.silos else {}
    return status.model_copy(update=changes | silos | _metrics(word.metrics))


def _silos(rows: Sequence[SiloStatus], resolved: ResolvedJob) -> dict[str, Any]:
    """Returns the rows of the invited silos. A program controls its coordinator, which can report any silos."""
    invited = set(resolved.silos)
    shown = {silo.name: silo for silo in rows if silo.name in invited}.values()
    return {
        "silos": [_row(silo) for silo in shown],
        "ready_silos": sum(silo.state in _JOINED for silo in shown),
        "total_silos": len(shown),
    }


def _metrics(metrics: Mapping[str, float]) -> dict[str, Any]:
    shown = sorted(metrics.items())[:_MOST_METRICS]
    return {"metrics": {name: format(value, ".6g") for name, value in shown}} if shown else {}


def phase(report: Status | None, before: JobPhase | None, *, listens: bool) -> JobPhase:
    """Returns the phase of a job whose coordinator has not exited.

    A final phase in a report does not change it, because only the exit of the coordinator ends the job.

    Args:
        report: The coordinator's last report.
        before: The previous phase.
        listens: Whether the coordinator is ready or its state is unknown. A restarted operator has no report yet.
    """
    if report is None:
        return before if listens and before is not None and before in _PHASES.values() else JobPhase.STARTING
    return _PHASES.get(report.phase) or before or JobPhase.STARTING


def quorum(report: Status | None, minimum: int) -> Verdict | None:
    """Returns whether enough silos have joined. None if it is unknown."""
    if report is None or report.phase not in (Phase.WAITING_FOR_SILOS, Phase.RUNNING, Phase.EXPORTING, Phase.COMPLETE):
        return None
    if report.phase is not Phase.WAITING_FOR_SILOS:
        return Verdict(True, Reason.QUORUM_REACHED, f"At least {silos(minimum)} joined.")
    missing = [silo for silo in report.silos if silo.state not in _JOINED]
    reasons = "; ".join(f"{s.name} is {s.state}{f' ({s.reason})' if s.reason else ''}" for s in missing)
    ready = len(report.silos) - len(missing)
    # All silos can have joined and some be asked again later, for example because their data are not mounted.
    told = printable(report.message, _LONGEST_REASON) or "The silos are checking the computation"
    why = f"Missing: {reasons}." if missing else f"{told.rstrip('.')}."
    message = f"{silos(ready)} joined, and the job needs at least {minimum}. {why}"
    return Verdict(False, Reason.WAITING_FOR_SILOS, message)


def silos(count: int) -> str:
    """Returns a number of silos with the verb: `1 silo has`, `2 silos have`."""
    return f"{count} silo has" if count == 1 else f"{count} silos have"


def _row(silo: SiloStatus) -> SiloRow:
    """Converts a silo's status to a row. Empty values become absent fields."""
    return SiloRow(
        name=silo.name,
        state=silo.state,
        reason=silo.reason or None,
        message=silo.message or None,
        device=silo.device or None,
        clients=silo.clients or None,
        restarts=silo.restarts or None,
    )
