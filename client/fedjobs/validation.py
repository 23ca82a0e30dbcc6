"""Checks a job and the silo files that it runs with. Starts no processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fedjobs_api as api
from fedjobs_api import FederatedJob
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.programs import parse_parameters
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile


@dataclass(frozen=True)
class Checked:
    """A job and silo files that passed the checks.

    Attributes:
        job: The job with defaults.
        resolved: The job resolved for these silos, with a new uid.
        silos: The silo files, in the order of the YAML file.
        warnings: Warnings for the user.
    """

    job: FederatedJob
    resolved: ResolvedJob
    silos: list[SiloFile]
    warnings: list[str]


@dataclass(frozen=True)
class ReadDataset:
    """The size of a silo's dataset, or the problem with it."""

    silo: str
    dataset: str
    examples: int = 0
    clients: int = 0
    problem: FedjobsError | None = None


def check_job(job: Path | Mapping[str, Any]) -> FederatedJob:
    """Returns the job of a file or a mapping.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER.
    """
    return api.load(job) if isinstance(job, Path) else api.parse(job)


def check(job: Path | Mapping[str, Any], silos: Path) -> Checked:
    """Checks a job together with silo files.

    Args:
        job: The path of the job file, or the job as a mapping. The paths in a mapping are relative to the working
            directory.
        silos: The path of the YAML file with the silo files.

    Raises:
        FedjobsError: The errors of `check_job`. INVALID_SILO_FILE. INVALID_JOB if the job names silos that do not
            exist. DATA_NOT_FOUND if fewer silos offer the dataset than the job needs.
    """
    manifest = check_job(job)
    described = silo_files.load_all(silos)
    folder = job.parent if isinstance(job, Path) else Path.cwd()
    resolved = api.resolve(manifest, [silo.silo for silo in described], folder=folder)
    warnings = _missing_datasets(manifest, resolved, described)
    idle = sorted({silo.silo for silo in described} - set(resolved.silos))
    if idle:
        warnings.append(f"{silos} has silos that the job does not use: {', '.join(idle)}.")
    return Checked(manifest, resolved, described, warnings)


def read_data(checked: Checked) -> Iterator[ReadDataset]:
    """Reads the job's datasets, silo by silo, and checks their labels. Yields problems instead of raising them."""
    from fedjobs_worker.data import datasets  # pyarrow takes a third of a second

    from fedjobs.label_check import label_problem

    program = checked.resolved.program
    parameters = parse_parameters(program.name, program.parameters) if program.name else None
    invited = (silo for silo in checked.silos if silo.silo in checked.resolved.silos)
    for silo in invited:
        for name in api.datasets(checked.job):
            if name not in silo.datasets:
                continue
            try:
                read = datasets.load(silo.datasets[name])
                label = silo.datasets[name].label
                if parameters is not None and label is not None:
                    problem = label_problem(parameters.model, label.column, read.arrays[-1])
                    if problem is not None:
                        raise problem
            except FedjobsError as error:
                yield ReadDataset(silo.silo, name, problem=error)
            else:
                yield ReadDataset(silo.silo, name, examples=int(read.offsets[-1]), clients=len(read.offsets) - 1)


def _missing_datasets(job: FederatedJob, resolved: ResolvedJob, silos: list[SiloFile]) -> list[str]:
    invited = [silo for silo in silos if silo.silo in resolved.silos]
    warnings = []
    for dataset in api.datasets(job):
        without = [silo for silo in invited if dataset not in silo.datasets]
        if not without:
            continue
        names = ", ".join(silo.silo for silo in without)
        offered = ", ".join(sorted({name for silo in without for name in silo.datasets})) or "none"
        what = f"The dataset {dataset!r} is missing in the silo files of {names}. Datasets in these files: {offered}."
        if len(invited) - len(without) < resolved.cohort.min_silos:
            remedy = (
                f"Add it to their silo files, or correct the dataset in the job. "
                f"The job needs {resolved.cohort.min_silos} silos."
            )
            raise FedjobsError(ErrorCode.DATA_NOT_FOUND, what, remedy)
        warnings.append(what)
    return warnings
