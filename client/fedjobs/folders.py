"""The paths in a run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SiloFolder:
    """One silo's part of a run."""

    root: Path

    @property
    def silo_file(self) -> Path:
        return self.root / "silo.yaml"

    @property
    def invitation(self) -> Path:
        return self.root / "invitation.json"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def audit(self) -> Path:
        return self.root / "audit.jsonl"

    @property
    def sampling_secret(self) -> Path:
        """The secret for the sampling of clients."""
        return self.root / "sampling-secret"

    @property
    def pending(self) -> Path:
        """The computations that wait for approval."""
        return self.root / "pending"

    @property
    def approvals(self) -> Path:
        """The decisions about pending computations."""
        return self.root / "approvals"


@dataclass(frozen=True)
class RunFolder:
    """The folder of `fedjobs run --out DIR`, with all files of the run."""

    root: Path

    @property
    def job(self) -> Path:
        """The resolved job. It is written once, and every later start of the run uses it."""
        return self.root / "job.json"

    @property
    def lock(self) -> Path:
        """The lock that a `fedjobs run` process holds while it uses this folder."""
        return self.root / "run.lock"

    @property
    def port(self) -> Path:
        """The coordinator's port. A restarted coordinator reuses it, so that silos can reconnect."""
        return self.root / "port"

    @property
    def trust(self) -> Path:
        return self.root / "trust"

    @property
    def processes(self) -> Path:
        return self.root / "processes"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def coordinator(self) -> Path:
        return self.root / "coordinator"

    @property
    def status(self) -> Path:
        return self.coordinator / "status.json"

    @property
    def progress(self) -> Path:
        return self.coordinator / "progress.jsonl"

    @property
    def result(self) -> Path:
        return self.root / "result"

    @property
    def result_file(self) -> Path:
        """The file that is written last. If it exists, the result is complete."""
        return self.result / "result.json"

    def silo(self, name: str) -> SiloFolder:
        return SiloFolder(self.root / "silos" / name)
