"""Resolves a job: fills in all defaults and all silo names. The coordinator reads the resolved job."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedjobs_common import programs
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_common.outside_names import LONGEST_TEXT
from fedjobs_common.programs.problems import closest
from fedjobs_common.untrusted_text import printable

from fedjobs_api.federated_jobs import Cohort, FederatedJob
from fedjobs_api.locations import Cluster, Machine, Places
from fedjobs_api.program_specs import Program


def resolve(
    job: FederatedJob, silo_names: Iterable[str], *, folder: Path | None = None, uid: str | None = None
) -> ResolvedJob:
    """Returns the resolved job.

    Args:
        job: The job as written.
        silo_names: The available silos. On one machine, the silos of the silos file. On a cluster, the silos that have
            the labels of the selector.
        folder: On one machine, the folder of the job file. Relative paths are relative to it. None on a cluster, where
            ConfigMaps are mounted into the coordinator's pod.
        uid: The UID of the object on a cluster. By default, a new UID.

    Raises:
        FedjobsError: INVALID_JOB or INVALID_PROGRAM_PARAMETER with field, value and remedy. Silos are missing or too
            few, or a field is for a cluster and the job runs on one machine, or the reverse.
    """
    spec = job.spec
    _check_texts(job)
    silos = _silos(job, sorted(silo_names))
    return ResolvedJob(
        uid=uid or str(uuid.uuid4()),
        name=job.metadata.name,
        program=_program(spec.program, Cluster() if folder is None else Machine(folder)),
        dataset=spec.dataset,
        silos=silos,
        cohort=_cohort(spec.cohort, len(silos)),
        output_formats=tuple(spec.output.formats),
        requested_by=spec.requested_by,
    )


def datasets(job: FederatedJob) -> list[str]:
    """Returns all datasets that the job needs from its silos, the job's own dataset first."""
    program = job.spec.program
    return programs.datasets(program.name, job.spec.dataset, program.parameters)


def _check_texts(job: FederatedJob) -> None:
    """Checks the texts that silos print. An invitation has no others (`fedjobs_protocol.hub.invitations`)."""
    texts = [("spec.dataset", job.spec.dataset), ("spec.requestedBy", job.spec.requested_by or "")]
    texts += [("spec.program", name) for name in datasets(job)]
    for field, text in texts:
        if not text.isprintable() or len(text) > LONGEST_TEXT:
            raise FedjobsError(
                ErrorCode.INVALID_JOB,
                f"{field} has the name '{printable(text, 100)}', which silos do not accept.",
                f"Use at most {LONGEST_TEXT} characters, without line breaks and other unprintable characters.",
            )


def _silos(job: FederatedJob, known: list[str]) -> list[str]:
    names = job.spec.silos.names
    if names is None:
        if not known:
            labels = None if job.spec.silos.selector is None else job.spec.silos.selector.match_labels
            what = f"spec.silos.selector.matchLabels is {labels}: no silo has these labels."
            raise FedjobsError(ErrorCode.INVALID_JOB, what, "Add the labels to silos, or set spec.silos.names.")
        return known
    for position, name in enumerate(names):
        if name not in known:
            what = f"spec.silos.names[{position}] is {name!r}: there is no such silo."
            raise FedjobsError(ErrorCode.INVALID_JOB, what, closest(name, known))
    return sorted(names)


def _cohort(cohort: Cohort, invited: int) -> ResolvedCohort:
    minimum = invited if cohort.min_silos is None else cohort.min_silos
    if minimum > invited:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"spec.cohort.minSilos is {minimum}: only {invited} {'silo is' if invited == 1 else 'silos are'} invited.",
            f"Lower it to {invited}, or invite more silos.",
        )
    goal = invited if cohort.goal_silos is None else min(cohort.goal_silos, invited)
    return ResolvedCohort(
        min_silos=minimum, goal_silos=max(goal, minimum), round_deadline_seconds=cohort.round_deadline_seconds
    )


def _program(program: Program, places: Places) -> ResolvedProgram:
    if program.computation is not None:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            "spec.program.computation is set: serialized computations are not supported yet.",
            "Set spec.program.entrypoint to a Python function that calls the computation, or use a built-in program.",
        )
    parsed = None if program.name is None else programs.parse_parameters(program.name, program.parameters)
    entrypoint = program.entrypoint or (parsed and parsed.model.entrypoint)
    return ResolvedProgram(
        name=program.name,
        entrypoint=program.entrypoint,
        source=places.source(program.source, wanted=bool(entrypoint)),
        parameters=program.parameters if parsed is None else _complete(parsed, places),
    )


def _complete(parsed: programs.ProgramParameters, places: Places) -> dict[str, Any]:
    """Returns the parameters with all defaults filled in."""
    if isinstance(parsed, programs.EvaluateParameters):
        parsed = parsed.model_copy(update={"weights": places.weights(parsed.weights)})
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True)
