"""What the operator has seen of the cluster's objects: the last event of each, by job, and of that only what is read.

A job that is over is kept for weeks, and there may be thousands: of it there is only the object itself, compressed, and
nothing of what it had.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import ATTEMPT, JOB_UID, KIND, QUEUE

from fedjobs_operator.planning import observations
from fedjobs_operator.planning.observations import KnownSilo

Body = Mapping[str, Any]
JobKey = tuple[str, str]
"""Namespace and name of a FederatedJob."""
CHILDREN = ("Job", "Pod", "PersistentVolumeClaim")
"""Kinds of children that are watched."""
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_LABELS = (JOB_UID, ATTEMPT, QUEUE)
_READ: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Job": {"spec": ("suspend",), "status": ("conditions",)},
    "Pod": {"spec": ("nodeName",), "status": ("phase", "reason", "message", "conditions", "containerStatuses")},
    "PersistentVolumeClaim": {"status": ("phase",)},
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
    """JSON, compressed, of a job that is over."""


@dataclass(frozen=True, slots=True)
class _Silo:
    version: int
    known: KnownSilo


class Cache:
    """Objects by kind; those of a job are found by its UID. Used in the event loop only."""

    def __init__(self) -> None:
        self._jobs: dict[JobKey, _Job] = {}
        self._keys: dict[str, JobKey] = {}
        self._children: dict[str, dict[tuple[str, str], Body]] = defaultdict(dict)
        self._silos: dict[str, _Silo] = {}

    def saw_job(self, body: Body, *, deleted: bool) -> JobKey:
        """A FederatedJob is there, changed or was deleted; which it is."""
        metadata = body["metadata"]
        key, uid = (metadata["namespace"], metadata["name"]), metadata["uid"]
        known = self._jobs.get(key)
        if deleted:
            if known is not None and known.uid == uid:  # there may be another of that name by now
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
        """A child is there, changed or was deleted; the job that it belongs to, where that matters to it."""
        metadata = body["metadata"]
        uid = metadata.get("labels", {}).get(JOB_UID, "")
        key = self._keys.get(uid)
        job = None if key is None else self._jobs.get(key)
        if job is not None and job.uid == uid and job.is_over:
            return None
        known = self._children[uid].get((kind, metadata["name"])) if uid in self._children else None
        if not deleted:
            if not _is_older(body, known):
                self._children[uid][kind, metadata["name"]] = _lean(kind, body)
        elif known is not None and known["metadata"]["uid"] == metadata["uid"]:
            del self._children[uid][kind, metadata["name"]]
            if not self._children[uid]:
                del self._children[uid]
        return key

    def saw_silo(self, body: Body, *, deleted: bool) -> bool:
        """A Silo is there, changed or was deleted; whether that may matter to a job."""
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
        """These are all Silos that there were; whether that may matter to a job.

        Args:
            bodies: From a list.
            since: `silo_versions` before it was asked for: events that came meanwhile are newer.
        """
        listed = {body["metadata"]["name"]: body for body in bodies}
        # One that was known, and is not any more, was deleted meanwhile.
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
        """Of each Silo, by its name."""
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
        """Of the job of that name; None: there is none."""
        known = self._jobs.get(key)
        return None if known is None else known.uid

    def jobs(self) -> list[JobKey]:
        return list(self._jobs)

    def phases(self) -> dict[str, int]:
        """How many jobs are in each phase."""
        counts: dict[str, int] = defaultdict(int)
        for job in self._jobs.values():
            counts[job.phase] += 1
        return counts

    def silos(self) -> tuple[KnownSilo, ...]:
        return tuple(self._silos[name].known for name in sorted(self._silos))

    def children(self, uid: str, kind: str) -> list[Body]:
        """A job's children of a kind."""
        return [body for (of, _), body in self._children.get(uid, {}).items() if of == kind]

    def identities(self, kind: str) -> list[Body]:
        """All objects of a kind that are known, with as much as it takes to say that they were deleted."""
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
    """Whether an event tells less than the answer to a call has told; versions of one object can be compared."""
    if known is None or known["metadata"]["uid"] != body["metadata"]["uid"]:
        return False
    return int(body["metadata"]["resourceVersion"]) < int(known["metadata"]["resourceVersion"])


def _lean(kind: str, body: Body) -> Body:
    """What is read of a child."""
    metadata = {key: body["metadata"][key] for key in _METADATA if key in body["metadata"]}
    labels = body["metadata"].get("labels", {})
    metadata["labels"] = {key: labels[key] for key in _LABELS if key in labels}
    parts = {part: _only(body.get(part, {}), keys) for part, keys in _READ[kind].items()}
    return {"metadata": metadata, **parts}


def _only(part: Body, keys: tuple[str, ...]) -> Body:
    return {key: part[key] for key in keys if key in part}
