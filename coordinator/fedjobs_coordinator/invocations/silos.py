"""The interfaces between a program's run and the silos, and its progress.

The coordinator assigns work to silos over their sessions. A rehearsal has no silos and fabricates their reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fedjobs_common.ids import Digest, SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.aggregation.outcomes import Failure
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.work_identities import InvocationId, WorkIdentities


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

    def cohort(
        self, invocation: InvocationId, shards: Sequence[Digest], offers: Callable[[], Sequence[Offered]]
    ) -> list[SiloName]:
        """Waits for the silos of an invocation and returns their names, sorted.

        Args:
            invocation: The invocation.
            shards: The scopes of the offers of all its stages (`consents.scope_of`).
            offers: Returns the offers of these shards. Called if one of them is new.

        Raises:
            FedjobsError: COHORT_TOO_SMALL if too many silos cannot take part. The message names them with the reasons.
            SuspendedError: The coordinator was told to stop.
        """

    def cohort_sizes(self) -> Mapping[SiloName, int]:
        """Returns the smallest cohort that each silo's policy allows (`policy.minCohortSize`)."""

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """Checks that the accumulators of a number of silos fit on the disk, before silos work.

        Raises:
            FedjobsError: DISK_FULL.
        """

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Assigns work to silos."""

    def wait_for_reports(self, assignments: Sequence[Assignment], attempt: int) -> None:
        """Waits until each assignment has an outcome, or has made no progress for too long.

        Args:
            assignments: The assignments of one stage.
            attempt: The number of the attempt of the invocation, starting at 1. Later attempts wait longer.

        Raises:
            SuspendedError: The coordinator was told to stop.
        """

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """Withdraws unfinished work. The round continues without it."""

    def mark_failed(self, invocation: InvocationId, shard: Digest, silo: SiloName, failure: Failure) -> None:
        """Records why a silo does not contribute to a stage. It is asked again when `failure.retry` says."""

    def mark_worked(self, shard: Digest, silos: Sequence[SiloName]) -> None:
        """Records that silos contributed to a stage."""

    def run_again(self, reason: str) -> None:
        """Shows why an invocation runs again."""

    def finish_invocation(self, number: int) -> None:
        """Deletes reports that no restart needs, because the invocation with this number has run."""

    def mark_loaded(self, version: int) -> None:
        """Records that the program continues from the state of this version."""

    def mark_durable(self, version: int) -> None:
        """Deletes all reports, because the state of this version, which includes them, is durable."""
