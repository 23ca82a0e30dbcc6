"""Decides whether a job can run with its spec and the existing silos, and resolves it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fedjobs_api as api
from fedjobs_api.conditions import Reason
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_common.errors import FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from pydantic import ValidationError

from fedjobs_operator.children import config_maps
from fedjobs_operator.planning.observations import KnownSilo

_NOT_HERE = (
    "Jobs cannot run in {}, which is a namespace of the operator and the hub: a coordinator's pod can mount any Secret"
    " of its namespace, and this namespace holds Secrets of the federation. Create the job in another namespace."
)


@dataclass(frozen=True)
class Accepted:
    """The job can run.

    Attributes:
        job: The job as written now.
        resolved: The resolved job that the coordinator runs.
        changed: The fields that were edited after the job was accepted. Empty if there are none.
    """

    job: FederatedJob
    resolved: ResolvedJob
    changed: str = ""


@dataclass(frozen=True)
class NotAccepted:
    """The job cannot run with its current spec. It is reconciled again when the job or a silo changes."""

    reason: Reason
    message: str


def accept(
    body: Mapping[str, Any], silos: Sequence[KnownSilo], resolved: ResolvedJob | None, forbidden: Collection[str]
) -> Accepted | NotAccepted:
    """Decides whether a job can run.

    Args:
        body: The FederatedJob.
        silos: All Silo objects.
        resolved: The resolved job, if the job was resolved before. Later edits do not change it.
        forbidden: The namespaces of the federation's own components.
    """
    if (namespace := body["metadata"]["namespace"]) in forbidden:
        return NotAccepted(Reason.NAMESPACE_NOT_ALLOWED, _NOT_HERE.format(namespace))
    document = {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in body}
    uid = body["metadata"]["uid"]
    try:
        if resolved is not None:  # later invalid edits of the parameters do not stop the run
            job = FederatedJob.model_validate(document)
            return Accepted(job, resolved, _changed(job, resolved, uid))
        job = api.parse(document)
    except ValidationError as error:  # the stored object does not match this version's models
        return NotAccepted(Reason.INVALID_SPEC, str(error))
    except FedjobsError as error:
        return NotAccepted(Reason.INVALID_SPEC, error.public)
    usable = [silo for silo in silos if not silo.suspended]
    if missing := _missing(job, usable):
        return NotAccepted(Reason.SILOS_NOT_FOUND, missing)
    labels = _labels(job)
    wanted = [silo.name for silo in usable if labels.items() <= dict(silo.labels).items()]
    try:
        now = api.resolve(job, wanted, uid=uid)
    except FedjobsError as error:
        return NotAccepted(Reason.INVALID_SPEC, error.public)
    return _offered(job, now, silos) or Accepted(job, now)


def _missing(job: FederatedJob, usable: Sequence[KnownSilo]) -> str:
    """Returns what is wrong with `spec.silos`. Empty if nothing is wrong."""
    names = {silo.name for silo in usable}
    if job.spec.silos.names is not None:
        unknown = [name for name in job.spec.silos.names if name not in names]
        there = f"Available silos: {', '.join(sorted(names))}" if names else "There are no silos yet"
        remedy = f"{there} (kubectl get silos). Correct the names, or create or resume these silos."
        return (
            f"spec.silos.names: these silos do not exist or are suspended: {', '.join(unknown)}. {remedy}"
            if unknown
            else ""
        )
    labels = _labels(job)
    if any(labels.items() <= dict(silo.labels).items() for silo in usable):
        return ""
    if not labels:
        return "spec.silos.selector: no silo exists, or all silos are suspended (kubectl get silos). Invite a silo."
    wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
    return f"spec.silos.selector: no active silo has the labels {wanted}. Label a silo, or correct the selector."


def _labels(job: FederatedJob) -> dict[str, str]:
    selector = job.spec.silos.selector
    return {} if selector is None else selector.match_labels


def _offered(job: FederatedJob, resolved: ResolvedJob, silos: Sequence[KnownSilo]) -> NotAccepted | None:
    """Returns None if enough silos can offer the datasets. A silo that discloses no datasets counts as offering all."""
    invited = [silo for silo in silos if silo.name in resolved.silos]
    for dataset in api.datasets(job):
        without = [silo.name for silo in invited if silo.datasets is not None and dataset not in silo.datasets]
        if len(invited) - len(without) < resolved.cohort.min_silos:
            message = (
                f"These silos do not offer the dataset {dataset!r}: {', '.join(without)}. The job needs at least"
                f" {resolved.cohort.min_silos} silos. Correct spec.dataset, or invite silos that offer it."
            )
            return NotAccepted(Reason.DATASET_NOT_OFFERED, message)
    return None


def _changed(job: FederatedJob, resolved: ResolvedJob, uid: str) -> str:
    """Returns the paths of the fields that were edited after the job was resolved.

    A parameter that is in neither document is the default of a newer release, and no edit.
    """
    try:
        now = api.resolve(job, resolved.silos, uid=uid)
    except FedjobsError as error:
        return error.public
    if config_maps.digest(now) == config_maps.digest(resolved):
        return ""
    before, after = (_flat(r.model_dump(mode="json", by_alias=True), "spec") for r in (resolved, now))
    written = before.keys() | _flat(job.spec.program.parameters, "spec.program.parameters").keys()
    paths = sorted(path for path in written if before.get(path) != after.get(path))
    return f"{', '.join(paths)}." if paths else ""


def _flat(value: object, path: str) -> dict[str, object]:
    if isinstance(value, Mapping) and value:
        return {p: v for key, entry in value.items() for p, v in _flat(entry, f"{path}.{key}").items()}
    return {path: value}
