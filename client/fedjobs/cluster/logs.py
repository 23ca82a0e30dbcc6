"""Reads the log of a job's coordinator: one attempt, or all later attempts too with `follow`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fedjobs_common.errors import ErrorCode

from fedjobs.cluster import coordinator_pods, job_statuses
from fedjobs.cluster.api_errors import ApiError, explain, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection
from fedjobs.cluster.federated_jobs import Body, FederatedJobs

_CONTAINER = "coordinator"
_LOOK_EVERY_S = 1.0
_SILENCE_S = 24 * 3600.0  # a coordinator may log nothing for a long time
_BAD_REQUEST, _NOT_FOUND = 400, 404


@dataclass(frozen=True)
class Wanted:
    """The part of a log to read.

    Attributes:
        attempt: The number of the attempt, or None for the last one.
        previous: Whether to read the attempt before the last one.
        follow: Whether to continue until the job ends, or until the attempt ends if one is chosen.
        tail: The number of lines from the end, or None for all.
    """

    attempt: int | None = None
    previous: bool = False
    follow: bool = False
    tail: int | None = None


def lines(jobs: FederatedJobs, name: str, wanted: Wanted) -> Iterator[str]:
    """Yields the lines of the log, without line endings.

    Raises:
        FedjobsError: INVALID_JOB if there is no such job or attempt, or no log yet. UNAVAILABLE.
    """
    connection = jobs.connection
    pod = _first_pod(jobs, name, wanted)
    yield from _of_pod(connection, pod, wanted)
    if not wanted.follow or wanted.attempt is not None or wanted.previous:
        return
    while (later := _later_pod(jobs, name, pod)) is not None:
        pod = later
        yield from _of_pod(connection, pod, Wanted(follow=True))


def _first_pod(jobs: FederatedJobs, name: str, wanted: Wanted) -> Body:
    while True:
        job = jobs.get(name)
        found = coordinator_pods.pods(jobs.connection, job)
        if found or not wanted.follow or job_statuses.end(job) is not None:
            return coordinator_pods.choose(job, found, wanted.attempt, previous=wanted.previous)
        time.sleep(_LOOK_EVERY_S)


def _later_pod(jobs: FederatedJobs, name: str, pod: Body) -> Body | None:
    """Waits for the pod after this one. Returns None when the job has ended or was deleted."""
    known = pod["metadata"]["creationTimestamp"], pod["metadata"]["uid"]
    while True:
        try:
            job = jobs.get(name)
            # The job is read before the pods: no pod is created after the job has ended.
            newest = coordinator_pods.pods(jobs.connection, job)[-1:]
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            if not error.transient:
                raise
            time.sleep(_LOOK_EVERY_S)
            continue
        for found in newest:
            if found["metadata"]["uid"] != known[1] and found["metadata"]["creationTimestamp"] >= known[0]:
                return found
        if job_statuses.end(job) is not None:
            return None
        time.sleep(_LOOK_EVERY_S)


def _of_pod(connection: Connection, pod: Body, wanted: Wanted) -> Iterator[str]:
    """Yields the log of one pod. With `follow`, continues after the last received line when the stream breaks."""
    last, arrived, tail = "", time.monotonic(), wanted.tail
    while True:
        since = None if not last else int(time.monotonic() - arrived) + 2
        try:
            for line in _stream(connection, pod, wanted.follow, tail, since):
                stamp, _, text = line.partition(" ")
                if last and _order(stamp) <= _order(last):
                    continue
                last, arrived = stamp, time.monotonic()
                yield text
        except ApiError as error:
            if not wanted.follow or not (error.transient or error.reason == "ContainerWaiting"):
                raise
            tail = None if last else tail
            time.sleep(_LOOK_EVERY_S)
        else:
            return


def _stream(connection: Connection, pod: Body, follow: bool, tail: int | None, since: int | None) -> Iterator[str]:
    """Yields the lines, each prefixed with its timestamp."""
    name = pod["metadata"]["name"]
    doing = f"Cannot read the log of {name}"
    options: dict[str, Any] = {"tail_lines": tail, "since_seconds": since}
    with explained(doing):
        try:
            answer = connection.core.read_namespaced_pod_log(
                name,
                pod["metadata"]["namespace"],
                container=_CONTAINER,
                follow=follow,
                timestamps=True,
                _preload_content=False,
                _request_timeout=(TIMEOUT_S[0], _SILENCE_S if follow else TIMEOUT_S[1]),
                **{key: value for key, value in options.items() if value is not None},
            )
        except Exception as error:
            if getattr(error, "status", None) == _BAD_REQUEST:
                raise _not_yet(pod) from error
            raise
        if answer.status != 200:
            raise _not_yet(pod) if answer.status == _BAD_REQUEST else explain(doing, answer.status, answer.data)
        rest = b""
        try:
            for piece in answer.stream(amt=None, decode_content=False):
                *whole, rest = (rest + piece).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
        finally:
            answer.close()
            answer.release_conn()
        if rest:
            yield rest.decode(errors="replace")


def _not_yet(pod: Body) -> ApiError:
    why = coordinator_pods.waits_for(pod)
    message = f"The coordinator has no log yet: {why or 'its container has not started'}."
    remedy = "Wait for it with --follow."
    return ApiError(ErrorCode.INVALID_JOB, message, remedy, status=_BAD_REQUEST, reason="ContainerWaiting")


def _order(stamp: str) -> tuple[str, str]:
    """Returns a sort key for a timestamp. Timestamps omit trailing zeros of the fraction."""
    seconds, _, fraction = stamp.rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")
