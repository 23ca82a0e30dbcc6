"""The built-in programs, as far as everyone must know them: their names, their parameters, the datasets they ask for.

What they do is the coordinator's; nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs.evaluate import EvaluateParameters
from fedjobs_common.programs.fedavg import FedAvgParameters
from fedjobs_common.programs.problems import closest, explain

__all__ = [
    "PATH",
    "PROGRAMS",
    "EvaluateParameters",
    "FedAvgParameters",
    "ProgramParameters",
    "datasets",
    "parse_parameters",
]

ProgramParameters = FedAvgParameters | EvaluateParameters

PROGRAMS: Mapping[str, type[ProgramParameters]] = {"fedavg": FedAvgParameters, "evaluate": EvaluateParameters}
"""The library, and what each program takes."""

PATH = "spec.program.parameters"
"""Where parameters stand in a manifest."""


def parse_parameters(program: str, parameters: Mapping[str, Any]) -> ProgramParameters:
    """The parameters of a built-in program, checked.

    Args:
        program: Its name in the library.
        parameters: As written in the manifest, camelCase.

    Raises:
        FedjobsError: UNKNOWN_PROGRAM, or INVALID_PROGRAM_PARAMETER with the path, the value and the remedy.
    """
    if program not in PROGRAMS:
        raise FedjobsError(
            ErrorCode.UNKNOWN_PROGRAM,
            f"spec.program.name is {program!r}: there is no such program.",
            closest(program, list(PROGRAMS)),
        )
    model = PROGRAMS[program]
    try:
        return model.model_validate(parameters)
    except pydantic.ValidationError as error:
        raise explain(error, model, PATH) from None


def datasets(program: str | None, job_dataset: str, parameters: Mapping[str, Any]) -> list[str]:
    """All datasets that a job asks its silos for, the job's own first.

    Args:
        program: Name in the library, None for an entry point or a serialized computation.
        job_dataset: The job's `dataset`.
        parameters: The program's, as written.

    Raises:
        FedjobsError: As `parse_parameters`.
    """
    return [job_dataset] if program is None else parse_parameters(program, parameters).datasets(job_dataset)
