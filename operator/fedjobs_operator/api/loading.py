"""Reads a job, and says what is wrong with it: the field's path, its value, the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import parse_parameters
from fedjobs_common.programs.problems import explain

from fedjobs_operator.api import strict_yaml
from fedjobs_operator.api.federated_jobs import FederatedJob

_ROOT = "\0"  # in no file, so that it can be taken away again


def load(path: Path) -> FederatedJob:
    """The job of a YAML (or JSON) file.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER, naming file, field, value and remedy.
    """
    try:
        documents = strict_yaml.documents(path.read_text("utf-8"))
    except OSError as error:
        remedy = "Name an existing job's file."
        raise FedjobsError(ErrorCode.INVALID_JOB, f"{path} cannot be read: {error.strerror}.", remedy) from error
    except UnicodeDecodeError as error:
        raise FedjobsError(ErrorCode.INVALID_JOB, f"{path} is not text in UTF-8.", "Name a YAML file.") from error
    except yaml.YAMLError as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{path} is not valid YAML: {_problem(error)}.", "Correct it."
        ) from error
    if len(documents) != 1:
        found = f"{path} has {len(documents)} YAML documents where one job is expected."
        raise FedjobsError(ErrorCode.INVALID_JOB, found, "Keep one job in the file.")
    try:
        return parse(documents[0])
    except FedjobsError as error:
        raise FedjobsError(error.code, f"{path}: {error.message}", error.remedy) from error


def parse(document: object) -> FederatedJob:
    """The job of a document that was read already, or was made in Python.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER, naming field, value and remedy.
    """
    if not isinstance(document, Mapping):
        what = f"a job is a mapping, and this is {type(document).__name__}."
        raise FedjobsError(ErrorCode.INVALID_JOB, what, "Begin with apiVersion: fedjobs.dev/v1alpha1.")
    job = _validated(document)
    if job.spec.program.name is not None:
        parse_parameters(job.spec.program.name, job.spec.program.parameters)
    return job


def _validated(document: Mapping[str, Any]) -> FederatedJob:
    try:
        return FederatedJob.model_validate(dict(document))
    except pydantic.ValidationError as error:
        # The explanation is that of parameters, which are always below something; here paths begin at the root.
        explained = explain(error, FederatedJob, _ROOT)
        message, remedy = (text.replace(f"{_ROOT}.", "") for text in (explained.message, explained.remedy))
        raise FedjobsError(ErrorCode.INVALID_JOB, message, remedy) from None


def _problem(error: yaml.YAMLError) -> str:
    """One line of what the parser has to say, with its place."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())
