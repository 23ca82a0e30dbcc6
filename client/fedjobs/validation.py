"""Checks a job, and the silos that it is to run on, without starting anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_operator import api
from fedjobs_operator.api import FederatedJob
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile


@dataclass(frozen=True)
class Checked:
    """A job and silos that fit each other.

    Attributes:
        job: As written, with defaults.
        resolved: For these silos; its uid is a new one.
        silos: Those of the file, in its order.
        warnings: What need not be wrong, but may surprise.
    """

    job: FederatedJob
    resolved: ResolvedJob
    silos: list[SiloFile]
    warnings: list[str]


@dataclass(frozen=True)
class ReadDataset:
    """A silo's dataset that was read: how much is in it, or what is wrong with it."""

    silo: str
    dataset: str
    examples: int = 0
    clients: int = 0
    problem: FedjobsError | None = None


def check_job(job: Path | Mapping[str, Any]) -> FederatedJob:
    """The job of a file, or one that was made in Python.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER.
    """
    return api.load(job) if isinstance(job, Path) else api.parse(job)


def check(job: Path | Mapping[str, Any], silos: Path) -> Checked:
    """A job together with the silos of a silos' file.

    Args:
        job: The job's file; or the job itself, whose relative paths are then relative to the working directory.
        silos: The silos' file.

    Raises:
        FedjobsError: As `check_job`; INVALID_SILO_FILE; INVALID_JOB where the job names silos that are not there;
            DATA_NOT_FOUND where fewer silos than the job needs offer its dataset.
    """
    manifest = check_job(job)
    described = silo_files.load_all(silos)
    folder = job.parent if isinstance(job, Path) else Path.cwd()
    resolved = api.resolve(manifest, [silo.silo for silo in described], folder=folder)
    warnings = _missing_datasets(manifest, resolved, described)
    idle = sorted({silo.silo for silo in described} - set(resolved.silos))
    if idle:
        warnings.append(f"{silos} describes silos that the job does not name: {', '.join(idle)}.")
    return Checked(manifest, resolved, described, warnings)


def read_data(checked: Checked) -> Iterator[ReadDataset]:
    """Reads, one after the other, what the job would ask its silos for; a problem is told and not raised."""
    from fedjobs_worker.data import datasets  # pyarrow takes a third of a second

    invited = (silo for silo in checked.silos if silo.silo in checked.resolved.silos)
    for silo in invited:
        for name in api.datasets(checked.job):
            if name not in silo.datasets:
                continue
            try:
                offsets = datasets.load(silo.datasets[name]).offsets
            except FedjobsError as error:
                yield ReadDataset(silo.silo, name, problem=error)
            else:
                yield ReadDataset(silo.silo, name, examples=int(offsets[-1]), clients=len(offsets) - 1)


def _missing_datasets(job: FederatedJob, resolved: ResolvedJob, silos: list[SiloFile]) -> list[str]:
    invited = [silo for silo in silos if silo.silo in resolved.silos]
    warnings = []
    for dataset in api.datasets(job):
        without = [silo for silo in invited if dataset not in silo.datasets]
        if not without:
            continue
        names = ", ".join(silo.silo for silo in without)
        offered = ", ".join(sorted({name for silo in without for name in silo.datasets})) or "none"
        what = f"dataset {dataset!r} is not offered by {names}; there they offer: {offered}."
        if len(invited) - len(without) < resolved.cohort.min_silos:
            remedy = f"Add it to their files, or correct the job: it needs {resolved.cohort.min_silos} silos."
            raise FedjobsError(ErrorCode.DATA_NOT_FOUND, what, remedy)
        warnings.append(what)
    return warnings
