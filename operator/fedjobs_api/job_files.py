"""Reads and validates jobs. An error names the field's path, its value and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import parse_parameters
from fedjobs_common.programs.problems import explain

from fedjobs_api import strict_yaml
from fedjobs_api.federated_jobs import FederatedJob

_ROOT = "\0"  # occurs in no file, so it can be removed again


def load(path: Path) -> FederatedJob:
    """Reads the job from a YAML (or JSON) file.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER, with file, field, value and remedy.
    """
    try:
        documents = strict_yaml.documents(path.read_text("utf-8"))
    except OSError as error:
        remedy = "Give the path of a job file that exists and is readable."
        raise FedjobsError(ErrorCode.INVALID_JOB, f"{path} cannot be read: {error.strerror}.", remedy) from error
    except UnicodeDecodeError as error:
        remedy = "Give the path of a YAML file."
        raise FedjobsError(ErrorCode.INVALID_JOB, f"{path} is not UTF-8 text.", remedy) from error
    except yaml.YAMLError as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{path} is not valid YAML: {_problem(error)}.", "Correct the file."
        ) from error
    if len(documents) != 1:
        found = f"{path} has {len(documents)} YAML documents, expected one job."
        raise FedjobsError(ErrorCode.INVALID_JOB, found, "Write exactly one job into the file.")
    try:
        return parse(documents[0])
    except FedjobsError as error:
        raise FedjobsError(error.code, f"{path}: {error.message}", error.remedy) from error


def parse(document: object) -> FederatedJob:
    """Validates a job that was read from a file or built in Python.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER, with field, value and remedy.
    """
    if not isinstance(document, Mapping):
        what = f"a job must be a mapping, and this is {type(document).__name__}."
        raise FedjobsError(ErrorCode.INVALID_JOB, what, "Start with apiVersion: fedjobs.dev/v1alpha1.")
    job = _validated(document)
    if job.spec.program.name is not None:
        parse_parameters(job.spec.program.name, job.spec.program.parameters)
    return job


def _validated(document: Mapping[str, Any]) -> FederatedJob:
    try:
        return FederatedJob.model_validate(dict(document))
    except pydantic.ValidationError as error:
        # `explain` expects parameters, which have a parent path. The paths of a job start at the root.
        explained = explain(error, FederatedJob, _ROOT)
        message, remedy = (text.replace(f"{_ROOT}.", "") for text in (explained.message, explained.remedy))
        raise FedjobsError(ErrorCode.INVALID_JOB, message, remedy) from None


def _problem(error: yaml.YAMLError) -> str:
    """Returns the parser's message with line and column, as one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())
