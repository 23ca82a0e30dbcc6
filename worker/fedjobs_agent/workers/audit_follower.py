"""Reads audit entries from the workers' logs while they are printed, so that none is lost when a pod is deleted."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import urllib3
from fedjobs_common.errors import FedjobsError

from fedjobs_agent.cluster_api import Cluster
from fedjobs_agent.planning.observations import SESSION
from fedjobs_agent.workers.collected_audit import CollectedAudit

Pod = Mapping[str, Any]
Container = tuple[str, int]
"""The uid of a pod, and the restart count of its session container."""
_SETTLED_S = 10.0
_LOG = structlog.get_logger()


@dataclass
class _Reading:
    """A background thread that reads a container's log from the start.

    Attributes:
        ended: Whether the container had ended when the reading started. The API server may also end the log of a
            running container, for example when it loses the kubelet. The log may then continue.
        whole: Whether everything that the container printed has been read.
    """

    ended: bool
    whole: bool = False
    thread: threading.Thread = field(init=False)


class AuditFollowing:
    """Follows the logs of all session containers, each in its own thread.

    Args:
        cluster: The silo's cluster.
        audit: The audit log to append the entries to.
    """

    def __init__(self, cluster: Cluster, audit: CollectedAudit) -> None:
        self._cluster = cluster
        self._audit = audit
        self._taking = threading.Lock()
        self._readings: dict[Container, _Reading] = {}
        """The latest reading of each container. Threads only access their own reading, never this dict."""

    def follow(self, pods: Sequence[Pod]) -> None:
        """Starts following the logs that are not followed yet.

        Args:
            pods: All pods of workers.
        """
        standing = {pod["metadata"]["uid"] for pod in pods}
        self._readings = {key: reading for key, reading in self._readings.items() if key[0] in standing}
        for pod in pods:
            session = _session(pod)
            restarts = int(session.get("restartCount") or 0)
            if restarts and "terminated" in (session.get("lastState") or {}):
                self._read_on(pod, restarts - 1, previous=True, ended=True)
            state = session.get("state") or {}
            if {"running", "terminated"} & set(state):
                self._read_on(pod, restarts, previous=False, ended="terminated" in state)

    def settled(self, job_uid: str, pods: Sequence[Pod]) -> bool:
        """Waits up to 10 s for the logs of a worker's ended sessions. Returns whether they have been read completely.

        The log of a running session is read while its pod terminates.
        """
        for pod in pods:
            owners = {owner["uid"] for owner in pod["metadata"].get("ownerReferences") or ()}
            session = _session(pod)
            if job_uid not in owners or "terminated" not in (session.get("state") or {}):
                continue
            restarts = int(session.get("restartCount") or 0)
            reading = self._readings.get((pod["metadata"]["uid"], restarts))
            if reading is not None:
                reading.thread.join(_SETTLED_S)
            if reading is None or not (reading.ended or reading.thread.is_alive()):  # started while the session ran
                reading = self._read_on(pod, restarts, previous=False, ended=True)
                reading.thread.join(_SETTLED_S)
            if not reading.whole:
                return False
        return True

    def _read_on(self, pod: Pod, restarts: int, *, previous: bool, ended: bool) -> _Reading:
        """Returns the reading of a container. Starts a new one if the last one ended without reading everything."""
        key = pod["metadata"]["uid"], restarts
        reading = self._readings.get(key)
        if reading is None or not (reading.whole or reading.thread.is_alive()):
            reading = self._readings[key] = _Reading(ended)
            arguments = (reading, pod["metadata"]["name"], previous)
            reading.thread = threading.Thread(target=self._read, args=arguments, name="audit", daemon=True)
            reading.thread.start()
        return reading

    def _read(self, reading: _Reading, pod: str, previous: bool) -> None:
        try:
            for line in self._cluster.log_lines(pod, SESSION, previous=previous):
                with self._taking:
                    self._audit.take([line])
            reading.whole = reading.ended
        except (FedjobsError, urllib3.exceptions.HTTPError, OSError) as error:
            _LOG.warning("cannot read the whole log of a worker; retrying", pod=pod, error=str(error))


def _session(pod: Pod) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((status for status in statuses if status["name"] == SESSION), {})
