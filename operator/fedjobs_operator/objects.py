"""What the operator has seen of the cluster's objects: the last event of each, by job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from fedjobs_operator import observations
from fedjobs_operator.names import JOB_UID
from fedjobs_operator.observations import KnownSilo

Body = Mapping[str, Any]
JobKey = tuple[str, str]
"""Namespace and name of a FederatedJob."""


class Objects:
    """Objects by kind; those of a job are found by its UID. Used in the event loop only."""

    def __init__(self) -> None:
        self._jobs: dict[JobKey, Body] = {}
        self._keys: dict[str, JobKey] = {}
        self._children: dict[str, dict[tuple[str, str], Body]] = defaultdict(dict)
        self._silos: dict[str, KnownSilo] = {}

    def saw_job(self, body: Body, *, deleted: bool) -> JobKey:
        """A FederatedJob is there, changed or was deleted; which it is."""
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if deleted:
            self._jobs.pop(key, None)
            self._keys.pop(metadata["uid"], None)
            self._children.pop(metadata["uid"], None)
        elif not _is_older(body, self._jobs.get(key)):
            self._jobs[key] = _lean(body)
            self._keys[metadata["uid"]] = key
        return key

    def saw_child(self, kind: str, body: Body, *, deleted: bool) -> JobKey | None:
        """A child is there, changed or was deleted; the job that it belongs to, where that is known."""
        metadata = body["metadata"]
        uid = metadata.get("labels", {}).get(JOB_UID, "")
        if not deleted:
            if not _is_older(body, self._children[uid].get((kind, metadata["name"]))):
                self._children[uid][kind, metadata["name"]] = _lean(body)
        elif uid in self._children:
            self._children[uid].pop((kind, metadata["name"]), None)
            if not self._children[uid]:
                del self._children[uid]
        return self._keys.get(uid)

    def saw_silo(self, body: Body, *, deleted: bool) -> bool:
        """A Silo is there, changed or was deleted; whether that may matter to a job."""
        name = body["metadata"]["name"]
        before = self._silos.get(name)
        if deleted:
            self._silos.pop(name, None)
        else:
            self._silos[name] = observations.silo(body)
        return before != self._silos.get(name)

    def job(self, key: JobKey) -> Body | None:
        return self._jobs.get(key)

    def jobs(self) -> list[JobKey]:
        return list(self._jobs)

    def phases(self) -> dict[str, int]:
        """How many jobs are in each phase."""
        counts: dict[str, int] = defaultdict(int)
        for body in self._jobs.values():
            counts[body.get("status", {}).get("phase", "Pending")] += 1
        return counts

    def silos(self) -> tuple[KnownSilo, ...]:
        return tuple(self._silos[name] for name in sorted(self._silos))

    def children(self, uid: str, kind: str) -> list[Body]:
        """A job's children of a kind."""
        return [body for (of, _), body in self._children.get(uid, {}).items() if of == kind]


def _is_older(body: Body, known: Body | None) -> bool:
    """Whether an event tells less than the answer to a call has told; versions of one object can be compared."""
    if known is None or known["metadata"]["uid"] != body["metadata"]["uid"]:
        return False
    return int(body["metadata"]["resourceVersion"]) < int(known["metadata"]["resourceVersion"])


def _lean(body: Body) -> Body:
    """Without what takes most of the memory, and nobody here reads."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}
