"""The interface to a silo's workers, which are Jobs on Kubernetes or processes of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning.observations import Worker, WorkerPod
from fedjobs_agent.planning.planner import Start


class Workers(Protocol):
    """The workers of a silo."""

    def observed(self) -> tuple[Sequence[Worker], Sequence[WorkerPod]]:
        """Returns all workers and their pods.

        Raises:
            FedjobsError: The workers cannot be observed at the moment.
        """

    def start(self, start: Start, silo: SiloFile, credentials: Credentials) -> bool:
        """Starts a worker. Returns False if a worker for this job exists.

        Raises:
            StartRefusedError: The cluster rejects the worker.
            FedjobsError: The worker could not be started.
        """

    def end(self, worker: Worker, *, at_once: bool) -> None:
        """Stops a worker, which first delivers its result. Does nothing if the worker does not exist.

        Args:
            worker: The worker. A different worker with the same name is not stopped.
            at_once: Whether to stop it without waiting for its pods.

        Raises:
            FedjobsError: The worker could not be stopped.
        """

    def hindrance(self, worker: Worker) -> str:
        """Returns the platform's reason why a worker does not start, as one word, or an empty string.

        Raises:
            FedjobsError: The platform cannot be queried.
        """

    def watch(self, changed: Callable[[], object], stopping: threading.Event) -> None:
        """Calls `changed` from background threads whenever workers may have changed, until `stopping` is set."""

    def close(self) -> None:
        """Releases resources when the agent ends. Jobs on Kubernetes continue."""
