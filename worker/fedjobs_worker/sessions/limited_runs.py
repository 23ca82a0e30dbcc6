"""Runs a shard in the runner, for at most the silo's time for a work item."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.release.failures import Failure, WorkFailedError
from fedjobs_worker.runner.client import RunnerClient, RunnerLostError
from fedjobs_worker.runner.inputs import Inputs


@dataclass(frozen=True)
class Ran:
    """What a run left.

    Attributes:
        memory: The descriptor of the accumulators' memory, which the caller must close.
        clients: The number of local clients.
        device: The runner's name of its device.
    """

    memory: int
    clients: int
    device: str


class LimitedRuns:
    """Runs shards, one at a time.

    Args:
        runner: The client for the runner.
        most_s: The most seconds of a run (`policy.limits.runSeconds`).
    """

    def __init__(self, runner: RunnerClient, most_s: float) -> None:
        self._runner = runner
        self._most_s = most_s

    def run(self, request: messages.Run, inputs: Inputs, clients: int | None) -> Ran | None:
        """Runs a shard. Returns None if there were no clients: then the accumulators may not be neutral.

        Args:
            request: The request for the runner.
            inputs: The values.
            clients: The number of local clients, if the silo selected them.

        Raises:
            WorkFailedError: The run took too long, or the runner reports another number of clients.
            ShardFailedError: The run failed.
            RunnerLostError: The runner died.
        """
        memory = shared_memory.create("accumulators")
        try:
            with inputs as descriptors:
                ran = self._limited(request, [*descriptors, memory])
            if clients is not None and ran.clients != clients:
                raise WorkFailedError(
                    Failure(FailureClass.RESULT_MISMATCH, ran=True),
                    f"the runner reports {ran.clients} clients, but the work has {clients}",
                )
        except BaseException:
            os.close(memory)
            raise
        if ran.clients == 0:
            os.close(memory)
            return None
        return Ran(memory, ran.clients, ran.device)

    def _limited(self, request: messages.Run, descriptors: Sequence[int]) -> messages.Ran:
        """Ends the runner when the time is over."""
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            self._runner.shut_down()

        timer = threading.Timer(min(self._most_s, threading.TIMEOUT_MAX), end)
        timer.daemon = True
        timer.start()
        try:
            return self._runner.run(request, descriptors)
        except RunnerLostError:
            if overdue.is_set():
                late = Failure(FailureClass.DEADLINE_EXCEEDED, ran=True)
                message = f"the work ran longer than {self._most_s} s (policy.limits.runSeconds)"
                raise WorkFailedError(late, message) from None
            raise
        finally:
            timer.cancel()
