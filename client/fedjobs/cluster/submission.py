"""Puts a job on a cluster: what `fedjobs submit` does before it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator import api
from fedjobs_operator.api import strict_yaml

from fedjobs import job_differences
from fedjobs.cluster.connections import Connection
from fedjobs.cluster.federated_jobs import Body, FederatedJobs

_MOST_SHOWN = 3


@dataclass(frozen=True)
class Submitted:
    """A job that is on the cluster.

    Attributes:
        job: As the API server has it.
        new: Whether it was made now; else it was there already, the same.
        jobs: Those of its namespace.
    """

    job: Body
    new: bool
    jobs: FederatedJobs


def load(path: Path, *, name: str | None = None) -> dict[str, Any]:
    """A job's file, as it is written but for the name; it is valid as far as this machine can tell.

    Args:
        path: The file.
        name: Instead of the one of the file.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER, naming file, field, value and remedy.
    """
    job = api.load(path)
    if (local := _of_this_machine(job)) is not None:
        field, remedy = local
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{path}: {field} names a file of this machine, which a cluster cannot read.", remedy
        )
    document: dict[str, Any] = dict(strict_yaml.documents(path.read_text("utf-8"))[0])
    if name is not None:
        document["metadata"] = dict(document["metadata"]) | {"name": name}
        api.parse(document)
    return document


def submit(document: Mapping[str, Any], connection: Connection) -> Submitted:
    """Makes the job, or finds it there as it is.

    The namespace is that of the option, else of the file, else of the context.

    Raises:
        FedjobsError: INVALID_JOB where the cluster refuses the job, or has another one of that name; UNAVAILABLE.
    """
    jobs = FederatedJobs(_placed(document, connection))
    job = {**document, "metadata": {**document["metadata"], "namespace": jobs.namespace}}
    job.pop("status", None)  # of a job that was read back from a cluster
    if (made := jobs.create(job)) is not None:
        return Submitted(made, new=True, jobs=jobs)
    name = document["metadata"]["name"]
    there = jobs.get(name)
    if different := differences(there, job):
        shown = "; ".join(different[:_MOST_SHOWN]) + ("; ..." if different[_MOST_SHOWN:] else "")
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"There is another job {name!r} in namespace {jobs.namespace!r}: {shown}.",
            f"Give this one another name with --name, or remove that one with fedjobs cancel {name}.",
        )
    return Submitted(there, new=False, jobs=jobs)


def differences(there: Body, here: Body) -> list[str]:
    """What the specs of two jobs differ in, as sentences; a default is the same as what it stands for."""
    old, new = (api.parse(dict(job)).spec.model_dump(by_alias=True, mode="json") for job in (there, here))
    return job_differences.differences(old, new, "spec.{}".format)


def _of_this_machine(job: api.FederatedJob) -> tuple[str, str] | None:
    """The first field that only means something on one machine, and what to write instead."""
    program = job.spec.program
    if program.source is not None and program.source.path is not None:
        return "spec.program.source.path", "Put the modules into a ConfigMap, and name it in source.configMap."
    return None


def _placed(document: Mapping[str, Any], connection: Connection) -> Connection:
    written, asked = document["metadata"].get("namespace"), connection.target.namespace
    if written is None or written == connection.namespace:
        return connection
    if asked is not None:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"metadata.namespace of the job is {written!r}, and --namespace is {asked!r}.",
            "Leave one of them out.",
        )
    return replace(connection, namespace=written, target=replace(connection.target, namespace=written))
