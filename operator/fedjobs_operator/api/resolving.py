"""From a job, as written, to the resolved job that its coordinator gets: all defaults and all names filled in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedjobs_protocol import programs
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_protocol.programs.problems import closest

from fedjobs_operator.api.federated_jobs import Cohort, FederatedJob
from fedjobs_operator.api.program_specs import Program


def resolve(
    job: FederatedJob, silo_names: Iterable[str], *, folder: Path | None = None, uid: str | None = None
) -> ResolvedJob:
    """The resolved job.

    Args:
        job: As it was written.
        silo_names: The silos that there are: on one machine those of the silos' file, on a cluster those with the
            labels.
        folder: That relative paths are relative to: the one of the job's file. None: paths are left as they are.
        uid: The object's UID on a cluster; by default a new one.

    Raises:
        FedjobsError: INVALID_JOB where the silos are not there or too few, or a part needs a cluster.
    """
    spec = job.spec
    silos = _silos(job, sorted(silo_names))
    return ResolvedJob(
        uid=uid or str(uuid.uuid4()),
        name=job.metadata.name,
        program=_program(spec.program, folder),
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
            raise FedjobsError(
                ErrorCode.INVALID_JOB, "spec.silos.matchLabels: there is no silo.", "Describe the silos."
            )
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


def _program(program: Program, folder: Path | None) -> ResolvedProgram:
    computation = source = None
    if program.computation is not None:
        _no_config_map(program.computation.config_map, "spec.program.computation", folder)
        computation = _absolute(program.computation.path, folder, "spec.program.computation.path")
    if program.source is not None:
        _no_config_map(program.source.config_map, "spec.program.source", folder)
        source = _absolute(program.source.path, folder, "spec.program.source.path")
    parsed = None if program.name is None else programs.parse_parameters(program.name, program.parameters)
    entrypoint = program.entrypoint or (parsed and parsed.model.entrypoint)
    if source is None and entrypoint and folder is not None:
        source = str(folder.resolve())
    return ResolvedProgram(
        name=program.name,
        entrypoint=program.entrypoint,
        computation=computation,
        source=source,
        parameters=program.parameters if parsed is None else _complete(parsed, folder),
    )


def _complete(parsed: programs.ProgramParameters, folder: Path | None) -> dict[str, Any]:
    """Parameters as they would be written with all defaults."""
    if isinstance(parsed, programs.EvaluateParameters) and folder is not None:
        weights = _absolute(parsed.weights, folder, f"{programs.PATH}.weights", ErrorCode.INVALID_PROGRAM_PARAMETER)
        parsed = parsed.model_copy(update={"weights": weights})
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True)


def _no_config_map(config_map: object, path: str, folder: Path | None) -> None:
    if config_map is not None and folder is not None:
        what = f"{path}.configMap needs a cluster, and this job is to run on one machine."
        raise FedjobsError(ErrorCode.INVALID_JOB, what, f"Give {path}.path instead.")


def _absolute(path: str | None, folder: Path | None, field: str, code: ErrorCode = ErrorCode.INVALID_JOB) -> str | None:
    if path is None or folder is None:
        return path
    absolute = (folder / path).resolve()
    if not absolute.exists():
        what = f"{field} is {path!r}: there is no {absolute}."
        raise FedjobsError(code, what, "Correct the path; it is relative to the folder of the job's file.")
    return str(absolute)
