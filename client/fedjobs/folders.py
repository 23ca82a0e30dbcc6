"""Where things are in the folder of a run."""

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
    def pending(self) -> Path:
        """Computations that wait for a person."""
        return self.root / "pending"

    @property
    def approvals(self) -> Path:
        """What people said to them."""
        return self.root / "approvals"


@dataclass(frozen=True)
class RunFolder:
    """`fedjobs run --out DIR`: everything that a run has on disk."""

    root: Path

    @property
    def job(self) -> Path:
        """The resolved job; written once, and what a run goes by ever after."""
        return self.root / "job.json"

    @property
    def lock(self) -> Path:
        """Held by the one `fedjobs run` that works here."""
        return self.root / "run.lock"

    @property
    def port(self) -> Path:
        """The coordinator's port, so that silos find it again after a restart."""
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
        """Written last: where it is, the result is complete."""
        return self.result / "result.json"

    def silo(self, name: str) -> SiloFolder:
        return SiloFolder(self.root / "silos" / name)
