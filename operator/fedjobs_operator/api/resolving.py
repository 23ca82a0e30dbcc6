"""From a job, as written, to the resolved job that its coordinator gets: all defaults and all names filled in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedjobs_common import programs
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_common.programs.problems import closest

from fedjobs_operator.api.federated_jobs import Cohort, FederatedJob
from fedjobs_operator.api.places import Cluster, Machine, Places
from fedjobs_operator.api.program_specs import Program


def resolve(
    job: FederatedJob, silo_names: Iterable[str], *, folder: Path | None = None, uid: str | None = None
) -> ResolvedJob:
    """The resolved job.

    Args:
        job: As it was written.
        silo_names: The silos that there are: on one machine those of the silos' file, on a cluster those with the
            labels.
        folder: On one machine: that relative paths are relative to, the one of the job's file. None: on a cluster,
            where ConfigMaps are mounted in the coordinator's pod.
        uid: The object's UID on a cluster; by default a new one.

    Raises:
        FedjobsError: INVALID_JOB or INVALID_PROGRAM_PARAMETER, naming field, value and remedy, where the silos are not
            there or too few, or a part needs the other place, a cluster or one machine.
    """
    spec = job.spec
    silos = _silos(job, sorted(silo_names))
    return ResolvedJob(
        uid=uid or str(uuid.uuid4()),
        name=job.metadata.name,
        program=_program(spec.program, Cluster() if folder is None else Machine(folder)),
        dataset=spec.dataset,
        silos=silos,
        cohort=_cohort(spec.cohort, len(silos)),
        output_formats=tuple(spec.output.format),
        requested_by=spec.requested_by,
    )


def datasets(job: FederatedJob) -> list[str]:
    """All datasets that the job asks its silos for, its own first."""
    program = job.spec.program
    return programs.datasets(program.name, job.spec.dataset, program.parameters)


def _silos(job: FederatedJob, known: list[str]) -> list[str]:
    names = job.spec.silos.names
    if names is None:
        if not known:
            what = f"spec.silos.matchLabels is {job.spec.silos.match_labels}: no silo has these labels."
            raise FedjobsError(ErrorCode.INVALID_JOB, what, "Give them to the silos, or name the silos: names: [...].")
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
            "spec.program.computation: a serialized computation cannot be run as a job yet.",
            "Give a Python function that calls it as spec.program.entrypoint, or name a program of the library.",
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
    """Parameters as they would be written with all defaults."""
    if isinstance(parsed, programs.EvaluateParameters):
        parsed = parsed.model_copy(update={"weights": places.weights(parsed.weights)})
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True)
