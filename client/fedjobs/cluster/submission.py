"""Submits a job to a cluster: the part of `fedjobs submit` before it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fedjobs_api as api
from fedjobs_api import strict_yaml
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs import job_differences
from fedjobs.cluster.connections import Connection
from fedjobs.cluster.federated_jobs import Body, FederatedJobs

_MOST_SHOWN = 3


@dataclass(frozen=True)
class Submitted:
    """A submitted job.

    Attributes:
        job: The job as the API server returned it.
        new: Whether the job was created by this call. If not, the same job existed already.
        jobs: The jobs of its namespace.
    """

    job: Body
    new: bool
    jobs: FederatedJobs


def load(path: Path, *, name: str | None = None) -> dict[str, Any]:
    """Reads and validates a job file. Returns its content, with the name replaced if `name` is given.

    Args:
        path: The path of the job file.
        name: The job's name, instead of the one in the file.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER. It names file, field and value.
    """
    job = api.load(path)
    if (local := _of_this_machine(job)) is not None:
        field, remedy = local
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{path}: {field} is a path on this machine, which a cluster cannot read.", remedy
        )
    document: dict[str, Any] = dict(strict_yaml.documents(path.read_text("utf-8"))[0])
    if name is not None:
        document["metadata"] = dict(document["metadata"]) | {"name": name}
        api.parse(document)
    return document


def submit(document: Mapping[str, Any], connection: Connection) -> Submitted:
    """Creates the job, unless the same job exists already.

    The namespace is that of the option, else of the file, else of the context.

    Raises:
        FedjobsError: INVALID_JOB if the API server rejects the job, or a different job has that name. UNAVAILABLE.
    """
    jobs = FederatedJobs(_placed(document, connection))
    job = {**document, "metadata": {**document["metadata"], "namespace": jobs.namespace}}
    job.pop("status", None)  # the file may have been read back from a cluster
    if (made := jobs.create(job)) is not None:
        return Submitted(made, new=True, jobs=jobs)
    name = document["metadata"]["name"]
    there = jobs.get(name)
    if different := differences(there, job):
        shown = "; ".join(different[:_MOST_SHOWN]) + ("; ..." if different[_MOST_SHOWN:] else "")
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"A different job {name!r} exists in namespace {jobs.namespace!r}: {shown}.",
            f"Choose another name with --name, or delete the existing job with: fedjobs cancel {name}",
        )
    return Submitted(there, new=False, jobs=jobs)


def differences(there: Body, here: Body) -> list[str]:
    """Describes how the specs of two jobs differ. An omitted field equals its default."""
    old, new = (api.parse(dict(job)).spec.model_dump(by_alias=True, mode="json") for job in (there, here))
    return job_differences.differences(old, new, "spec.{}".format)


def _of_this_machine(job: api.FederatedJob) -> tuple[str, str] | None:
    """Returns the first field that refers to a path on this machine, and what to write instead."""
    program = job.spec.program
    if program.source is not None and program.source.path is not None:
        return "spec.program.source.path", "Put the modules into a ConfigMap, and set source.configMap to its name."
    return None


def _placed(document: Mapping[str, Any], connection: Connection) -> Connection:
    written, asked = document["metadata"].get("namespace"), connection.target.namespace
    if written is None or written == connection.namespace:
        return connection
    if asked is not None:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"metadata.namespace of the job is {written!r}, but --namespace is {asked!r}.",
            "Omit one of them, or give the same namespace in both.",
        )
    return replace(connection, namespace=written, target=replace(connection.target, namespace=written))
