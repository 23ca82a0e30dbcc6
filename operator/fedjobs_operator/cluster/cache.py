"""The cache of the cluster's objects: the last seen version of each object, reduced to the fields that are read.

Thousands of finished jobs may be kept for weeks. The cache holds a finished job compressed, and none of its children.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import JOB_UID, KIND, QUEUE

from fedjobs_operator.planning import observations, ownership
from fedjobs_operator.planning.observations import KnownSilo

Body = Mapping[str, Any]
JobKey = tuple[str, str]
"""Namespace and name of a FederatedJob."""
CHILDREN = ("Job", "Pod", "PersistentVolumeClaim")
"""The watched kinds of child objects."""
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_LABELS = (JOB_UID, QUEUE)
_OWNER = ("apiVersion", "kind", "name", "uid", "controller")
_READ: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Job": {"spec": ("suspend",), "status": ("conditions",)},
    "Pod": {"spec": ("nodeName",), "status": ("phase", "reason", "message", "conditions", "containerStatuses")},
    "PersistentVolumeClaim": {
        "spec": ("dataSource", "dataSourceRef", "selector"),
        "status": ("phase",),
    },
}
_NOT_READ = ("managedFields", "annotations")
_ENDS = ("Complete", "Failed")


@dataclass(frozen=True, slots=True)
class _Job:
    uid: str
    version: int
    phase: str
    is_over: bool
    body: Body | bytes
    """The object. Compressed JSON for a finished job."""


@dataclass(frozen=True, slots=True)
class _Silo:
    version: int
    known: KnownSilo


class Cache:
    """Holds jobs, silos, and the children of each job by the job's UID. Used in the event loop only."""

    def __init__(self) -> None:
        self._jobs: dict[JobKey, _Job] = {}
        self._keys: dict[str, JobKey] = {}
        self._children: dict[str, dict[tuple[str, str, str], Body]] = defaultdict(dict)
        self._silos: dict[str, _Silo] = {}

    def saw_job(self, body: Body, *, deleted: bool) -> JobKey:
        """Records that a FederatedJob was added, changed or deleted. Returns its key."""
        metadata = body["metadata"]
        key, uid = (metadata["namespace"], metadata["name"]), metadata["uid"]
        known = self._jobs.get(key)
        if deleted:
            if known is not None and known.uid == uid:  # another job of that name may exist by now
                del self._jobs[key]
            self._keys.pop(uid, None)
            self._children.pop(uid, None)
            return key
        seen = _job(body)
        if known is None or known.uid != uid or seen.version >= known.version:
            self._jobs[key] = seen
            self._keys[uid] = key
            if seen.is_over:
                self._children.pop(uid, None)
        return key

    def saw_child(self, kind: str, body: Body, *, deleted: bool) -> JobKey | None:
        """Records that a child was added, changed or deleted. Returns the key of its job, if the job is affected."""
        metadata = body["metadata"]
        uid = ownership.job_uid(kind, body)
        key = self._keys.get(uid)
        job = None if key is None else self._jobs.get(key)
        if not uid or (job is not None and job.uid == uid and job.is_over):
            return None
        if key is not None and key[0] != metadata.get("namespace"):
            return None  # a job has no children in other namespaces
        place = (kind, str(metadata.get("namespace")), metadata["name"])
        known = self._children[uid].get(place) if uid in self._children else None
        if not deleted:
            if not _is_older(body, known):
                self._children[uid][place] = _lean(kind, body)
        elif known is not None and known["metadata"]["uid"] == metadata["uid"]:
            del self._children[uid][place]
            if not self._children[uid]:
                del self._children[uid]
        return key

    def saw_silo(self, body: Body, *, deleted: bool) -> bool:
        """Records that a Silo was added, changed or deleted. Returns whether that may affect a job."""
        seen = _Silo(int(body["metadata"]["resourceVersion"]), observations.silo(body))
        name, before = seen.known.name, self._silos.get(seen.known.name)
        if before is not None and seen.version < before.version:
            return False
        if deleted:
            self._silos.pop(name, None)
            return before is not None
        self._silos[name] = seen
        return before is None or before.known != seen.known

    def saw_all_silos(self, bodies: list[dict[str, Any]], since: Mapping[str, int]) -> bool:
        """Records a list of all Silos. Returns whether a change may affect a job.

        Args:
            bodies: All Silo objects, from a list call.
            since: `silo_versions` from before the list call. Events that arrived meanwhile are newer than the list.
        """
        listed = {body["metadata"]["name"]: body for body in bodies}
        # A listed Silo that was in the cache before the call, and is not now, was deleted meanwhile.
        changed = [
            self.saw_silo(body, deleted=False)
            for name, body in listed.items()
            if name in self._silos or name not in since
        ]
        gone = [name for name, known in self._silos.items() if name not in listed and since.get(name) == known.version]
        for name in gone:
            del self._silos[name]
        return any(changed) or bool(gone)

    def silo_versions(self) -> dict[str, int]:
        """Returns the resource version of each Silo, by name."""
        return {name: silo.version for name, silo in self._silos.items()}

    def job(self, key: JobKey) -> Body | None:
        known = self._jobs.get(key)
        if known is None:
            return None
        if not isinstance(known.body, bytes):
            return known.body
        body: Body = json.loads(zlib.decompress(known.body))
        return body

    def uid(self, key: JobKey) -> str | None:
        """Returns the UID of a job. None if there is no such job."""
        known = self._jobs.get(key)
        return None if known is None else known.uid

    def jobs(self) -> list[JobKey]:
        return list(self._jobs)

    def unfinished(self) -> list[JobKey]:
        return [key for key, job in self._jobs.items() if not job.is_over]

    def phases(self) -> dict[str, int]:
        """Returns the number of jobs in each phase. Other threads can call this method."""
        counts: dict[str, int] = defaultdict(int)
        for job in tuple(self._jobs.values()):
            counts[job.phase] += 1
        return counts

    def silos(self) -> tuple[KnownSilo, ...]:
        return tuple(self._silos[name].known for name in sorted(self._silos))

    def children(self, uid: str, kind: str) -> list[Body]:
        """Returns the objects of a kind that name a job as their owner, in the namespace of the job."""
        key = self._keys.get(uid)
        found = self._children.get(uid, {}).items()
        return [body for (of, place, _), body in found if of == kind and (key is None or key[0] == place)]

    def identities(self, kind: str) -> list[Body]:
        """Returns all cached objects of a kind, with at least the fields that identify them."""
        if kind == KIND:
            return [
                {"metadata": {"namespace": key[0], "name": key[1], "uid": job.uid}} for key, job in self._jobs.items()
            ]
        return [body for uid in list(self._children) for body in self.children(uid, kind)]


def _job(body: Body) -> _Job:
    metadata, status = body["metadata"], body.get("status", {})
    is_over = any(c["type"] in _ENDS and c["status"] == "True" for c in status.get("conditions", ()))
    lean = {**body, "metadata": {key: value for key, value in metadata.items() if key not in _NOT_READ}}
    return _Job(
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        phase=status.get("phase", "Pending"),
        is_over=is_over,
        body=zlib.compress(json.dumps(lean).encode()) if is_over else lean,
    )


def _is_older(body: Body, known: Body | None) -> bool:
    """Returns whether an event is older than the cached version. Resource versions of one object are comparable."""
    if known is None or known["metadata"]["uid"] != body["metadata"]["uid"]:
        return False
    return int(body["metadata"]["resourceVersion"]) < int(known["metadata"]["resourceVersion"])


def _lean(kind: str, body: Body) -> Body:
    """Returns a child reduced to the fields that are read."""
    metadata = {key: body["metadata"][key] for key in _METADATA if key in body["metadata"]}
    labels = body["metadata"].get("labels", {})
    metadata["labels"] = {key: labels[key] for key in _LABELS if key in labels}
    if owner := ownership.controller(body):
        metadata["ownerReferences"] = [{key: owner.get(key) for key in _OWNER}]
    parts = {part: _only(body.get(part, {}), keys) for part, keys in _READ[kind].items()}
    return {"metadata": metadata, **parts}


def _only(part: Body, keys: tuple[str, ...]) -> Body:
    return {key: part[key] for key in keys if key in part}
