"""Follows a job through everything that happens to it, also while the API server is away for a time."""

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
    """What is needed of `FederatedJobs`."""

    def get(self, name: str) -> Body: ...
    def changes(self, job: Body) -> Iterator[tuple[str, Body]]: ...


@dataclass(frozen=True)
class Seen:
    """The job as it is now."""

    job: Body


@dataclass(frozen=True)
class Unreachable:
    """The API server does not answer; it is asked again."""

    error: ApiError


@dataclass(frozen=True)
class Deleted:
    """The job is not there any more, or another one has its name. Nothing comes after this."""


Event = Seen | Unreachable | Deleted


def follow(jobs: Jobs, name: str) -> Iterator[Event]:
    """Every state of a job from now on, without an end of its own unless the job is deleted.

    Raises:
        ApiError: There is no such job, or it may not be read; and what else no waiting would mend.
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
            # The watch came to its end; what it may have missed is seen here.
            again = jobs.get(name)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                yield Deleted()
                return
            if error.status == _GONE:  # so old a state cannot be watched from
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
