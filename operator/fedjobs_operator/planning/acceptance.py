"""Whether a job can be run as it is written, by the silos that there are; and what it was resolved to, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedjobs_common.errors import FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from pydantic import ValidationError

from fedjobs_operator import api
from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.children import configs
from fedjobs_operator.planning.observations import KnownSilo
from fedjobs_operator.reasons import Reason

_NOT_HERE = (
    "Jobs are not run in {}, the namespace of the operator and the hub: a coordinator's pod can mount any Secret of its"
    " namespace, and the federation's keys are here. Create the job in another namespace."
)


@dataclass(frozen=True)
class Accepted:
    """The job can be run.

    Attributes:
        job: As it is written now.
        resolved: As it is run.
        changed: What of the spec was edited too late; empty: nothing.
    """

    job: FederatedJob
    resolved: ResolvedJob
    changed: str = ""


@dataclass(frozen=True)
class NotAccepted:
    """The job cannot be run as it is; it is looked at again when it, or a silo, changes."""

    reason: Reason
    message: str


def accept(
    body: Mapping[str, Any], silos: Sequence[KnownSilo], resolved: ResolvedJob | None, own_namespace: str
) -> Accepted | NotAccepted:
    """Judges a job.

    Args:
        body: The FederatedJob.
        silos: All Silo objects.
        resolved: What it was resolved to before. It is run as that, whatever was edited since.
        own_namespace: The operator's.
    """
    if body["metadata"]["namespace"] == own_namespace:
        return NotAccepted(Reason.NAMESPACE_NOT_ALLOWED, _NOT_HERE.format(own_namespace))
    document = {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in body}
    uid = body["metadata"]["uid"]
    try:
        if resolved is not None:  # parameters that were made invalid since do not stop the run
            job = FederatedJob.model_validate(document)
            return Accepted(job, resolved, _changed(job, resolved, uid))
        job = api.parse(document)
    except ValidationError as error:  # what is checked at creation was written by others since
        return NotAccepted(Reason.INVALID_SPEC, str(error))
    except FedjobsError as error:
        return NotAccepted(Reason.INVALID_SPEC, error.public)
    usable = [silo for silo in silos if not silo.suspended]
    if missing := _missing(job, usable):
        return NotAccepted(Reason.SILOS_MISSING, missing)
    labels = dict(job.spec.silos.match_labels or {})
    wanted = [silo.name for silo in usable if labels.items() <= dict(silo.labels).items()]
    try:
        now = api.resolve(job, wanted, uid=uid)
    except FedjobsError as error:
        return NotAccepted(Reason.INVALID_SPEC, error.public)
    return _offered(job, now, silos) or Accepted(job, now)


def _missing(job: FederatedJob, usable: Sequence[KnownSilo]) -> str:
    """What is wrong with `spec.silos`; empty: nothing."""
    names = {silo.name for silo in usable}
    if job.spec.silos.names is not None:
        unknown = [name for name in job.spec.silos.names if name not in names]
        there = f"There are: {', '.join(sorted(names))}" if names else "There is none yet"
        remedy = f"{there} (kubectl get silos). Correct the names, or wait until the silos are there."
        return (
            f"spec.silos.names: no Silo that is not suspended is called {', '.join(unknown)}. {remedy}"
            if unknown
            else ""
        )
    labels = job.spec.silos.match_labels or {}
    if any(labels.items() <= dict(silo.labels).items() for silo in usable):
        return ""
    wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
    return f"spec.silos.matchLabels: no Silo that is not suspended has the labels {wanted}. Label one, or correct them."


def _offered(job: FederatedJob, resolved: ResolvedJob, silos: Sequence[KnownSilo]) -> NotAccepted | None:
    """None where enough silos may offer the datasets; a silo need not say what it offers."""
    invited = [silo for silo in silos if silo.name in resolved.silos]
    for dataset in api.datasets(job):
        without = [silo.name for silo in invited if silo.datasets is not None and dataset not in silo.datasets]
        if len(invited) - len(without) < resolved.cohort.min_silos:
            message = (
                f"The dataset {dataset!r} is not offered by {', '.join(without)}, and"
                f" {resolved.cohort.min_silos} silos are needed. Correct spec.dataset, or invite silos that offer it."
            )
            return NotAccepted(Reason.DATASET_NOT_OFFERED, message)
    return None


def _changed(job: FederatedJob, resolved: ResolvedJob, uid: str) -> str:
    """The paths of what was edited since the job was resolved."""
    try:
        now = api.resolve(job, resolved.silos, uid=uid)
    except FedjobsError as error:
        return error.public
    if configs.digest(now) == configs.digest(resolved):
        return ""
    before, after = (_flat(r.model_dump(mode="json", by_alias=True), "spec") for r in (resolved, now))
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return f"{', '.join(paths)}."


def _flat(value: object, path: str) -> dict[str, object]:
    if isinstance(value, Mapping) and value:
        return {p: v for key, entry in value.items() for p, v in _flat(entry, f"{path}.{key}").items()}
    return {path: value}
