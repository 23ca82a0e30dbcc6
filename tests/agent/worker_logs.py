"""Logs of workers' audit containers: what a session writes, and what the container prints of it."""

from __future__ import annotations

import io
from pathlib import Path

from fedjobs_agent.workers.collected_audit import Source
from fedjobs_worker.consent.audit_printer import Printing
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed

SILO = "hospital-a"


class WorkerLog:
    """The audit log of one pod of a worker.

    Args:
        folder: The folder for its file.
        pod: The uid of the pod.
        job: The uid of the federated job.
    """

    def __init__(self, folder: Path, pod: str = "u", job: str = "job-1", silo: str = SILO) -> None:
        self.source = Source(pod, silo, job)
        self._path = folder / f"{pod}.audit.jsonl"
        now = iter(range(1, 10_000))
        self.audit = Audit(self._path, silo, job, clock=lambda: next(now))

    def works(self, *names: str) -> WorkerLog:
        """Allows these work items."""
        for name in names:
            self.audit.record("work", Allowed(), work=name, shard="ab", datasets=["digits"], asked=f"asked {name}")
        return self

    def rounds(self, count: int) -> WorkerLog:
        """Takes part in the job, and sends 10 bytes in each round."""
        self.audit.record("invitation", Allowed())
        for number in range(count):
            self.works(str(number))
            self.audit.record("result", Allowed(), work=str(number), bytes=10)
        return self

    def printed(self, *, ended: bool = False) -> list[bytes]:
        """Returns the lines that the audit container has printed, without newlines."""
        out = io.BytesIO()
        printing = Printing(self._path, out)
        printing.more()
        if ended:
            printing.end()
        return out.getvalue().splitlines()
