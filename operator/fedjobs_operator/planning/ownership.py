"""Decides which objects belong to a job. Labels alone prove nothing: every user of a namespace can write them.

A user who can create objects in the job's namespace can also write owner references. So an object counts only if its
name, its namespace and its controller are those that the operator gives it, and one of these holds: the operator
created it in this process, the status of the job records its UID, or its content is what the operator would create.
Users cannot write the status of a job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fedjobs_api.names import GROUP, JOB_UID, KIND, JobRef

Body = Mapping[str, Any]
_OF_THE_CLUSTER = frozenset(
    {"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"}
)
"""Labels that the API server adds to the template of a Job."""
_SOURCES = ("dataSource", "dataSourceRef", "selector")
"""Fields of a claim that choose its content. The operator sets none of them."""


def controller(body: Body) -> Body:
    """Returns the owner reference of an object's controller. Empty if it has none."""
    owners = [owner for owner in body["metadata"].get("ownerReferences") or () if owner.get("controller")]
    return owners[0] if len(owners) == 1 else {}


def job_uid(kind: str, body: Body) -> str:
    """Returns the UID of the FederatedJob that a child names as its owner. Empty if it names none.

    A pod names its Job only, so its label counts until `pod_of` compares it with the Job. A claim that outlives its job
    has no owner.
    """
    owner = controller(body)
    if _is_federated_job(owner):
        return str(owner.get("uid", ""))
    if kind == "Pod" or (kind == "PersistentVolumeClaim" and not body["metadata"].get("ownerReferences")):
        return str(body["metadata"].get("labels", {}).get(JOB_UID, ""))
    return ""


def is_owned(ref: JobRef, body: Body) -> bool:
    """Returns whether the controller of an object in the job's namespace is this job, by UID."""
    owner = controller(body)
    return _is_federated_job(owner) and (body["metadata"].get("namespace"), owner.get("uid")) == (
        ref.namespace,
        ref.uid,
    )


def is_left_over(ref: JobRef, body: Body) -> bool:
    """Returns whether the controller is an earlier job of the same name. The cluster deletes such an object."""
    owner = controller(body)
    return _is_federated_job(owner) and owner.get("name") == ref.name and owner.get("uid") != ref.uid


def known_jobs(ref: JobRef, jobs: Iterable[Body], known: Collection[str], current: int) -> list[Body]:
    """Returns the Jobs that are attempts of this job.

    Args:
        ref: The job.
        jobs: Jobs that name it as their owner.
        known: The UIDs of the Jobs that the status records, or that this process created.
        current: The number of the attempt in the status. An earlier attempt changes nothing but a message.
    """
    return [
        job
        for job in jobs
        if is_owned(ref, job)
        and (number := ref.number(job["metadata"]["name"])) is not None
        and (job["metadata"]["uid"] in known or number < current)
    ]


def pod_of(job: Body, pods: Iterable[Body]) -> list[Body]:
    """Returns the pods whose controller is this Job, by UID."""
    uid = job["metadata"]["uid"]
    return [pod for pod in pods if controller(pod).get("kind") == "Job" and controller(pod).get("uid") == uid]


def is_same_job(job: Body, wanted: Body) -> bool:
    """Returns whether a Job does exactly what the wanted Job would do. It may differ in `suspend`, which queues change.

    Args:
        job: The Job.
        wanted: The Job that the operator wants, with all defaults of the API server.
    """
    return _spec(job) == _spec(wanted)


def is_claim(ref: JobRef, body: Body) -> bool:
    """Returns whether a claim is the job's: its name, namespace and owner are, and nothing fills it with data."""
    metadata, spec = body["metadata"], body.get("spec", {})
    if (metadata.get("namespace"), metadata["name"]) != (ref.namespace, ref.claim):
        return False
    return job_uid("PersistentVolumeClaim", body) == ref.uid and not any(spec.get(source) for source in _SOURCES)


def contains(actual: Any, wanted: Any) -> bool:
    """Returns whether an object has all wanted fields. The API server adds others."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(contains(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(wanted)
            and all(contains(a, w) for a, w in zip(actual, wanted, strict=True))
        )
    return bool(actual == wanted)


def _is_federated_job(owner: Body) -> bool:
    return owner.get("kind") == KIND and str(owner.get("apiVersion", "")).partition("/")[0] == GROUP


def _spec(job: Body) -> dict[str, Any]:
    spec = {key: value for key, value in job["spec"].items() if key not in ("selector", "suspend")}
    template = dict(spec.get("template", {}))
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k not in _OF_THE_CLUSTER}
    metadata.pop("creationTimestamp", None)
    return {**spec, "template": {**template, "metadata": metadata}}
