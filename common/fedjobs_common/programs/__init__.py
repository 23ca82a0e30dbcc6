"""The names, parameters and datasets of the built-in programs, for all components.

The coordinator implements the programs. Nothing here imports TensorFlow.
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
"""The built-in programs and the models of their parameters."""

PATH = "spec.program.parameters"
"""The path of the parameters in a manifest."""


def parse_parameters(program: str, parameters: Mapping[str, Any]) -> ProgramParameters:
    """Validates the parameters of a built-in program.

    Args:
        program: The name of the program.
        parameters: The parameters as written in the manifest, in camelCase.

    Raises:
        FedjobsError: UNKNOWN_PROGRAM, or INVALID_PROGRAM_PARAMETER with the path, the value and the remedy.
    """
    if program not in PROGRAMS:
        raise FedjobsError(
            ErrorCode.UNKNOWN_PROGRAM,
            f"spec.program.name is {program!r}: there is no built-in program with this name.",
            closest(program, list(PROGRAMS)),
        )
    model = PROGRAMS[program]
    try:
        return model.model_validate(parameters)
    except pydantic.ValidationError as error:
        raise explain(error, model, PATH) from None


def datasets(program: str | None, job_dataset: str, parameters: Mapping[str, Any]) -> list[str]:
    """Returns all datasets that a job needs from its silos, the job's own dataset first.

    Args:
        program: The name of a built-in program. None for an entry point or a serialized computation.
        job_dataset: The job's `dataset`.
        parameters: The program's parameters as written.

    Raises:
        FedjobsError: See `parse_parameters`.
    """
    return [job_dataset] if program is None else parse_parameters(program, parameters).datasets(job_dataset)
