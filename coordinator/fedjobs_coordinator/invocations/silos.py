"""The interfaces between a program's run and the silos, and its progress.

The coordinator assigns work to silos over their sessions. A rehearsal has no silos and fabricates their reports.
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
    """Receives the progress of a program's run."""

    def computation(self, shards: Sequence[Digest]) -> None:
        """Records the shards that silos are asked to run."""

    def rounds(self, done: int, total: int) -> None:
        """Records the number of rounds that are done, and the total number."""

    def round_finished(self, number: int, metrics: dict[str, float], silos: list[SiloName]) -> None:
        """Records a finished round whose state is durable."""


class Silos(Protocol):
    """The silos of one job, for the thread that runs its program."""

    @property
    def job(self) -> ResolvedJob: ...

    @property
    def generation(self) -> int:
        """The number of starts of the job's coordinator."""

    @property
    def progress(self) -> RunProgress: ...

    @property
    def store(self) -> BlobStore:
        """The store of values for silos and of merged accumulators."""

    @property
    def identities(self) -> WorkIdentities: ...

    def cohort(self, scope: Digest, offered: Callable[[], Offered]) -> list[SiloName]:
        """Waits for the silos of the next invocation and returns their names.

        Args:
            scope: The scope of the offer (`consents.scope_of`).
            offered: Returns the offer of the shard. Called if the scope is new.

        Raises:
            FedjobsError: COHORT_TOO_SMALL. The message names the missing silos and the reasons.
            SuspendedError: The coordinator was told to stop.
        """

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """Checks that the accumulators of a number of silos fit on the disk, before silos work.

        Raises:
            FedjobsError: DISK_FULL.
        """

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Assigns work to silos."""

    def wait_for_reports(self, assignments: Sequence[Assignment]) -> None:
        """Waits until all assignments have outcomes, or the round's deadline has passed.

        Raises:
            SuspendedError: The coordinator was told to stop.
        """

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """Withdraws unfinished work. The round continues without it."""

    def mark_refused(self, scope: Digest, silo: SiloName) -> None:
        """Records that the silo refuses work of this scope."""

    def mark_durable(self) -> None:
        """Deletes all reports, because the state that includes them is durable."""

    def exclude(self, silo: SiloName, reason: str, message: str) -> None:
        """Records that a silo's report was not used."""

    def why_missing(self, there: Sequence[SiloName]) -> str:
        """Returns a text for people that lists the other silos, each with the reason."""
