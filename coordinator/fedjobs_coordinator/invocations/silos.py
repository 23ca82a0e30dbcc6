"""What a program's run needs of the silos, and of who reports on it.

The coordinator gives work to silos over their sessions. A rehearsal has no silos, and makes up what they would report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from fedjobs_common.ids import Digest, SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.work_identities import WorkIdentities


class RunProgress(Protocol):
    """Is told how far a program's run has come."""

    def computation(self, shards: Sequence[Digest]) -> None:
        """Silos are asked to run these shards."""

    def rounds(self, done: int, total: int) -> None:
        """So many rounds are to be done, and were done before this process."""

    def round_finished(self, number: int, metrics: dict[str, float], silos: list[SiloName]) -> None:
        """A round is over, and its state durable."""


class Silos(Protocol):
    """The silos of one job, for the thread that runs its program."""

    @property
    def job(self) -> ResolvedJob: ...

    @property
    def generation(self) -> int:
        """Counts the starts of the job's coordinator."""

    @property
    def progress(self) -> RunProgress: ...

    @property
    def store(self) -> BlobStore:
        """Where values are that silos are given, and merged accumulators."""

    @property
    def identities(self) -> WorkIdentities: ...

    def cohort(self, shard: Digest, offered: Callable[[], Offered]) -> list[SiloName]:
        """The silos of the next invocation, once enough of them are there.

        Args:
            shard: What they will be asked to run.
            offered: What they are told of it; called where it is new.

        Raises:
            FedjobsError: COHORT_TOO_SMALL says who is missing, and why.
            SuspendedError: The coordinator was told to stop.
        """

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """Looks whether the accumulators of so many silos fit on the disk, before any silo works for them.

        Raises:
            FedjobsError: DISK_FULL.
        """

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Gives out work."""

    def wait_for_reports(self, assignments: Sequence[Assignment]) -> None:
        """Waits until each piece of work has an outcome, or the round's deadline has passed.

        Raises:
            SuspendedError: The coordinator was told to stop.
        """

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """The round goes on without what has not come by now."""

    def mark_refused(self, shard: Digest, silo: SiloName) -> None:
        """The silo will not run this shard, now or later."""

    def mark_durable(self) -> None:
        """The state that all reports so far went into is durable: they are not needed any more."""

    def exclude(self, silo: SiloName, reason: str, message: str) -> None:
        """A silo's part was not used."""

    def why_missing(self, there: Sequence[SiloName]) -> str:
        """For a person: the silos that are not among these, each with the reason."""
