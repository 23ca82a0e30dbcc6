"""Reads the workers' audit logs while they are printed, so that no entry is lost when a pod is deleted.

It reads the log of one container only, which prints nothing but the entries (`worker_jobs`). If that container starts
again, it prints all entries again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import urllib3
from fedjobs_common.errors import FedjobsError

from fedjobs_agent.cluster_api import Cluster
from fedjobs_agent.planning.names import JOB_UID
from fedjobs_agent.planning.observations import AUDIT, SESSION
from fedjobs_agent.workers.collected_audit import CollectedAudit, Source

Pod = Mapping[str, Any]
Container = tuple[str, int]
"""The uid of a pod, and the restart count of its audit container."""
_SETTLED_S = 10.0
_LOG = structlog.get_logger()


@dataclass
class _Reading:
    """A background thread that reads a container's log from the start.

    Attributes:
        source: The pod.
        whole: Whether the last line of the log has been read. The API server may also end the log of a running
            container, for example when it loses the kubelet.
        unwritten: Why an entry could not be added to the silo's log, if that is why the reading ended.
    """

    source: Source
    whole: bool = False
    unwritten: FedjobsError | None = None
    thread: threading.Thread = field(init=False)


class AuditFollowing:
    """Follows the logs of all audit containers, each in its own thread.

    Args:
        cluster: The silo's cluster.
        audit: The audit log to append the entries to.
        silo: The name of the silo.
    """

    def __init__(self, cluster: Cluster, audit: CollectedAudit, silo: str) -> None:
        self._cluster = cluster
        self._audit = audit
        self._silo = silo
        self._readings: dict[Container, _Reading] = {}
        """The latest reading of each container. Threads only access their own reading, never this dict."""

    def follow(self, pods: Sequence[Pod]) -> None:
        """Starts following the logs that are not followed yet.

        Args:
            pods: All pods of workers.
        """
        for pod in pods:
            printer = _container(pod, "initContainerStatuses", AUDIT)
            if {"running", "terminated"} & set(printer.get("state") or {}):
                self._read_on(pod, _restarts(printer))
        self._forget_others({pod["metadata"]["uid"] for pod in pods})

    def settled(self, job_uid: str, pods: Sequence[Pod]) -> bool:
        """Waits up to 10 s for the logs of a worker's ended pods. Returns whether they have been read completely.

        The log of a running pod is read while it terminates.

        Raises:
            FedjobsError: An entry could not be added to the silo's log.
        """
        return all(self._settled(pod) for pod in _of(job_uid, pods))

    def give_up(self, job_uid: str, pods: Sequence[Pod]) -> None:
        """Records that the end of a worker's log cannot be read."""
        for pod in _of(job_uid, pods):
            printer = _container(pod, "initContainerStatuses", AUDIT)
            reading = self._readings.get((pod["metadata"]["uid"], _restarts(printer)))
            if reading is not None and not reading.whole:
                self._audit.ended_early(reading.source)

    def _settled(self, pod: Pod) -> bool:
        printer = _container(pod, "initContainerStatuses", AUDIT)
        session = _container(pod, "containerStatuses", SESSION)
        ended = any("terminated" in (each.get("state") or {}) for each in (printer, session))
        if not ended or not (pod.get("spec") or {}).get("nodeName"):  # a pod without a node has printed nothing
            return True
        reading = self._readings.get((pod["metadata"]["uid"], _restarts(printer)))
        if reading is not None:
            reading.thread.join(_SETTLED_S)
        if reading is None or not (reading.whole or reading.thread.is_alive()):
            reading = self._read_on(pod, _restarts(printer))
            reading.thread.join(_SETTLED_S)
        if reading.unwritten is not None:
            raise reading.unwritten
        return reading.whole

    def _read_on(self, pod: Pod, restarts: int) -> _Reading:
        """Returns the reading of a container. Starts a new one if the last one ended without reading everything."""
        key = pod["metadata"]["uid"], restarts
        reading = self._readings.get(key)
        if reading is None or not (reading.whole or reading.thread.is_alive()):
            reading = self._readings[key] = _Reading(self._source(pod))
            arguments = (reading, pod["metadata"]["name"])
            reading.thread = threading.Thread(target=self._read, args=arguments, name="audit", daemon=True)
            reading.thread.start()
        return reading

    def _read(self, reading: _Reading, pod: str) -> None:
        try:
            for line in self._cluster.log_lines(pod, AUDIT):
                if line and self._taken(reading, line):
                    reading.whole = True
                if reading.unwritten is not None:
                    return
        except (FedjobsError, urllib3.exceptions.HTTPError, OSError) as error:
            _LOG.warning("cannot read the whole audit log of a worker; retrying", pod=pod, error=str(error))

    def _taken(self, reading: _Reading, line: bytes) -> bool:
        try:
            return self._audit.take(reading.source, line)
        except FedjobsError as error:
            reading.unwritten = error
            _LOG.error("cannot add a worker's entry to the audit log; retrying", error=error.public)
            return False

    def _forget_others(self, standing: set[str]) -> None:
        """Forgets the readings of pods that are gone. Records those that did not reach the end of their log."""
        gone = {key: reading for key, reading in self._readings.items() if key[0] not in standing}
        ended = {key for key, reading in gone.items() if not reading.thread.is_alive()}
        last: dict[str, _Reading] = {}
        for key in sorted(ended):
            last[key[0]] = self._readings.pop(key)
        for reading in last.values():
            if not reading.whole:
                self._audit.ended_early(reading.source)
        self._audit.forget_others({key[0] for key in self._readings} | standing)

    def _source(self, pod: Pod) -> Source:
        metadata = pod["metadata"]
        return Source(metadata["uid"], self._silo, (metadata.get("labels") or {}).get(JOB_UID, ""))


def _of(job_uid: str, pods: Sequence[Pod]) -> list[Pod]:
    """Returns the pods of a worker's Job."""
    return [pod for pod in pods if job_uid in {owner["uid"] for owner in pod["metadata"].get("ownerReferences") or ()}]


def _container(pod: Pod, kind: str, name: str) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get(kind) or ()
    return next((status for status in statuses if status["name"] == name), {})


def _restarts(container: Mapping[str, Any]) -> int:
    return int(container.get("restartCount") or 0)
