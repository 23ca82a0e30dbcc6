"""Follows the states of a job, and retries while the API server is unreachable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from fedjobs.cluster.api_errors import ApiError
from fedjobs.cluster.federated_jobs import Body

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0
_GONE = 410
_NOT_FOUND = 404


class Jobs(Protocol):
    """The part of `FederatedJobs` that `follow` uses."""

    def get(self, name: str) -> Body: ...
    def changes(self, job: Body) -> Iterator[tuple[str, Body]]: ...


@dataclass(frozen=True)
class Seen:
    """A new state of the job."""

    job: Body


@dataclass(frozen=True)
class Unreachable:
    """The API server does not answer. The call is retried."""

    error: ApiError


@dataclass(frozen=True)
class Deleted:
    """The job was deleted, or another job has its name. This is the last event."""


Event = Seen | Unreachable | Deleted


def follow(jobs: Jobs, name: str) -> Iterator[Event]:
    """Yields every state of a job from now on. Only ends when the job is deleted.

    Raises:
        ApiError: There is no such job, the user may not read it, or another error that a retry does not fix.
    """
    job = jobs.get(name)
    uid, wait = job["metadata"]["uid"], _FIRST_WAIT_S
    yield Seen(job)
    while True:
        try:
            for kind, changed in jobs.changes(job):
                wait = _FIRST_WAIT_S
                if kind == "DELETED" or changed["metadata"]["uid"] != uid:
                    yield Deleted()
                    return
                job = changed
                yield Seen(job)
            # The watch ended. Read the job again, because the watch may have missed a change.
            again = jobs.get(name)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                yield Deleted()
                return
            if error.status == _GONE:  # the resource version is too old to watch from
                job = {**job, "metadata": {**job["metadata"], "resourceVersion": ""}}
                continue
            if not error.transient:
                raise
            yield Unreachable(error)
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)
            continue
        if again["metadata"]["uid"] != uid:
            yield Deleted()
            return
        changed_since = again["metadata"]["resourceVersion"] != job["metadata"]["resourceVersion"]
        job = again
        if changed_since:
            yield Seen(job)
