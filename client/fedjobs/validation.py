"""Checks a job, and the silos that it is to run on, without starting anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedjobs_operator import api
from fedjobs_operator.api import FederatedJob
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.jobs import ResolvedJob
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
