"""Workers' audit entries, read from their logs while they print them: none is lost when a pod goes."""

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
"""UID of a pod, and how often its session's container was started before."""
_SETTLED_S = 10.0
_LOG = structlog.get_logger()


@dataclass
class _Reading:
    """One reading of a container's log, from its beginning, in a thread of its own.

    Attributes:
        ended: The container was known to have ended when it was begun. The API server also ends the log of one that
            runs in good order, as when it loses the kubelet: then there may be more.
        whole: All is taken that the container ever printed.
    """

    ended: bool
    whole: bool = False
    thread: threading.Thread = field(init=False)


class AuditFollowing:
    """Follows the logs of all sessions, each in a thread of its own.

    Args:
        cluster: The silo's.
        audit: Takes the entries.
    """

    def __init__(self, cluster: Cluster, audit: CollectedAudit) -> None:
        self._cluster = cluster
        self._audit = audit
        self._taking = threading.Lock()
        self._readings: dict[Container, _Reading] = {}
        """The newest of each. A thread touches its own reading and never this."""

    def follow(self, pods: Sequence[Pod]) -> None:
        """Begins to follow what is not followed yet.

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
        """Waits a little for all that the ended sessions of a worker have printed; whether it is taken.

        A session that runs is read on while its pod goes.
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
            if reading is None or not (reading.ended or reading.thread.is_alive()):  # begun while the session ran
                reading = self._read_on(pod, restarts, previous=False, ended=True)
                reading.thread.join(_SETTLED_S)
            if not reading.whole:
                return False
        return True

    def _read_on(self, pod: Pod, restarts: int, *, previous: bool, ended: bool) -> _Reading:
        """The reading of a container; a new one where the last is over without all being taken."""
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
            _LOG.warning("the log of a worker was cut; it is read again", pod=pod, error=str(error))


def _session(pod: Pod) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((status for status in statuses if status["name"] == SESSION), {})
