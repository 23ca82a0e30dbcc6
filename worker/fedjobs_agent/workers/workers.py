"""Where a silo's workers are: Jobs on Kubernetes, or processes of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning.observations import Worker, WorkerPod
from fedjobs_agent.planning.planner import Start


class Workers(Protocol):
    """The workers of one silo."""

    def observed(self) -> tuple[Sequence[Worker], Sequence[WorkerPod]]:
        """All that there are, and what they are made of.

        Raises:
            FedjobsError: It is not known at the moment.
        """

    def start(self, start: Start, silo: SiloFile, credentials: Credentials) -> bool:
        """Makes a worker; False: one for this job is there already.

        Raises:
            StartRefusedError: It may not be made.
            FedjobsError: It could not be made.
        """

    def end(self, worker: Worker, *, at_once: bool) -> None:
        """Ends a worker, which first delivers what it has; one that is not there any more is no error.

        Args:
            worker: Which; another one of the same name is left alone.
            at_once: Without waiting for what it is made of.

        Raises:
            FedjobsError: It could not be ended.
        """

    def hindrance(self, worker: Worker) -> str:
        """What the surroundings say why a worker does not start, in a word; empty: they do not say.

        Raises:
            FedjobsError: They cannot be asked.
        """

    def watch(self, changed: Callable[[], object], stopping: threading.Event) -> None:
        """Calls `changed` whenever they may have changed, from threads of its own, until `stopping` is set."""

    def close(self) -> None:
        """The agent ends. What can go on without it does."""
