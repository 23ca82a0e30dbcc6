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


@dataclass
class Ran:
    """What a run left.

    Attributes:
        memory: The descriptor of the accumulators' memory.
        kept: The descriptor of the memory of kept values, if the shard keeps some.
        device: The runner's name of its device.
    """

    memory: int
    kept: int | None
    device: str

    def take_kept(self) -> int | None:
        """Returns the memory of the kept values. The caller owns it."""
        kept, self.kept = self.kept, None
        return kept

    def close(self) -> None:
        """Frees the memory."""
        os.close(self.memory)
        if self.kept is not None:
            os.close(self.kept)


class LimitedRuns:
    """Runs shards, one at a time.

    Args:
        runner: The client for the runner.
        most_s: The most seconds of a run (`policy.limits.runSeconds`).
    """

    def __init__(self, runner: RunnerClient, most_s: float) -> None:
        self._runner = runner
        self._most_s = most_s

    def run(self, request: messages.Run, inputs: Inputs, *, keeps: bool) -> Ran:
        """Runs a shard.

        Args:
            request: The request for the runner.
            inputs: The values.
            keeps: Whether the shard keeps values.

        Raises:
            WorkFailedError: The run took too long, or the runner reports another number of clients.
            ShardFailedError: The run failed.
            RunnerLostError: The runner died.
        """
        left = Ran(shared_memory.create("accumulators"), shared_memory.create("kept") if keeps else None, "")
        try:
            with inputs as descriptors:
                kept = [] if left.kept is None else [left.kept]
                ran = self._limited(request, [*descriptors, left.memory, *kept])
            if ran.clients != request.clients:
                raise WorkFailedError(
                    Failure(FailureClass.RESULT_MISMATCH, ran=True),
                    f"the runner reports {ran.clients} clients, but the work has {request.clients}",
                )
        except BaseException:
            left.close()
            raise
        left.device = ran.device
        return left

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
