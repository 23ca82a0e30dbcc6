"""A job's coordinator: a server for sessions in a background thread, and its interface for the program's thread."""

from __future__ import annotations

import asyncio
import functools
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import Digest, JobUid, SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import Phase, SiloState
from fedjobs_common.thread_imports import import_what_threads_need
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.reports import reports_server
from fedjobs_protocol.sessions.session_server import SessionServer

from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.aggregation.outcomes import Failure, Retry, patience_of
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions import cohorts
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.cohorts import Begin, Presence, TooFew
from fedjobs_coordinator.sessions.consents import MOST_OFFERS, Consents, Offered
from fedjobs_coordinator.sessions.refusals import Refusals
from fedjobs_coordinator.sessions.roster import ROUND_DEADLINE, Roster
from fedjobs_coordinator.sessions.sessions import Sessions
from fedjobs_coordinator.sessions.work_identities import InvocationId, WorkIdentities
from fedjobs_coordinator.state.generation import GenerationLock
from fedjobs_coordinator.status.progress import Progress, logged_when_unwritten
from fedjobs_coordinator.status.status_reports import StatusReports

_TICK_S = 0.5
_LOOK_S = 0.05  # between checks of the cohort
_GRACE_S = 2.0  # time for the silos to receive the message that the job is over
_KEPT_INVOCATIONS = 2
"""How many invocations keep their reports if no state is saved: a round can train, evaluate and then save."""
_LOG = structlog.get_logger()
Result = TypeVar("Result")


class SuspendedError(Exception):
    """The coordinator was told to stop. The job continues from its last durable state at the next start."""


class Coordinator:
    """Serves the silos of one job. It does not import TensorFlow, so that silos can connect during that import.

    Args:
        job: The resolved job.
        identity: Returns the coordinator's current identity.
        directory: A folder that outlives this process.
        listen: `host:port`. Port 0 chooses a free port.
        resumable: Whether another process can continue from this folder.
        now: A monotonic clock, in seconds.

    Attributes:
        address: `host:port` that it listens on.

    Raises:
        FedjobsError: ALREADY_RUNNING, PORT_IN_USE.
    """

    def __init__(
        self,
        job: ResolvedJob,
        identity: Callable[[], Identity],
        directory: Path,
        listen: str,
        *,
        resumable: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job = job
        self._now = now
        self._directory = directory
        self._lock = GenerationLock(directory)
        self.progress = Progress(directory, job, self._lock.generation)
        spool = directory / "spool"
        spool.mkdir(exist_ok=True, mode=0o700)
        spares = FilePool(spool / "spares", most=2 * len(job.silos) + 2)
        self.store = BlobStore(spool / "values", spares)
        self.identities = WorkIdentities(JobUid(job.uid))
        self.roster = Roster(job.silos, now, self._silo_changed)
        self.progress.follow(self.roster)
        self._reports = ReportStore(spool / "reports", spares, resumable=resumable)
        self._consents = Consents(now)
        self._refusals = Refusals()  # used in the event loop
        self._sessions = Sessions(
            JobUid(job.uid),
            self._lock.generation,
            self.roster,
            self._reports,
            self._consents,
            now=now,
            joined=self._refusals.joined,
        )
        self._status_reports = StatusReports(lambda: self.progress.status.to_json())
        service = reports_server.service(self._status_reports, self._sessions.exclude)
        self._server = SessionServer(self._sessions, identity, listen, further=[service])
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        import_what_threads_need()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sessions", daemon=True)
        self._thread.start()
        try:
            port = self._run_in_loop(self._server.start())
        except FedjobsError:
            self._end_loop()
            self._lock.release()
            raise
        self.address = f"{listen.rpartition(':')[0]}:{port}"
        self._ticking = asyncio.run_coroutine_threadsafe(self._tick(), self._loop)

    # --- for the program's thread

    def stop(self) -> None:
        """Makes calls that wait for silos raise SuspendedError. It can be called from a signal handler."""
        self._stopping = True  # not an Event: the interrupted thread may hold its lock

    def check_stopping(self) -> None:
        """Raises an error if the coordinator was told to stop.

        Raises:
            SuspendedError: The coordinator was told to stop.
        """
        if self._stopping:
            raise SuspendedError

    @property
    def generation(self) -> int:
        """The number of starts of the job's coordinator."""
        return self._lock.generation

    def cohort(
        self, invocation: InvocationId, shards: Sequence[Digest], offers: Callable[[], Sequence[Offered]]
    ) -> list[SiloName]:
        """Waits for the silos of an invocation and returns their names, sorted. They run all its stages.

        New shards are first offered to the silos, and only silos that consent to all of them count. The invocation
        starts when `goalSilos` silos are ready, or after the round's deadline with at least `minSilos`. It does not
        wait for silos that missed an earlier round or are still busy with its work. With fewer than `minSilos`, it
        waits as long as enough silos could still take part. The status says what it waits for.

        Args:
            invocation: The invocation. It is the seed of the sample if more silos are ready than `goalSilos`.
            shards: The scopes of the offers of all its stages (`consents.scope_of`).
            offers: Returns the offers of these shards. Called if one of them is new.

        Raises:
            FedjobsError: COHORT_TOO_SMALL if too many silos cannot take part. The message names them with the reasons.
                UNSUPPORTED_COMPUTATION if there are too many shards.
            SuspendedError: The coordinator was told to stop.
        """
        shards = tuple(dict.fromkeys(shards))
        if len(shards) > MOST_OFFERS:
            raise FedjobsError(
                ErrorCode.UNSUPPORTED_COMPUTATION,
                f"the computation has {len(shards)} exchanges with the silos, and at most {MOST_OFFERS} are supported.",
                "Split it into several computations.",
            )
        if not self._call_in_loop(lambda: all(map(self._consents.is_offered, shards))):
            found = offers()
            self._call_in_loop(lambda: self._sessions.offer(found))
        until = self._now() + self.job.cohort.round_deadline_seconds
        while True:
            self.check_stopping()
            late = self._now() > until
            decide = functools.partial(self._decided, invocation, shards, late=late)
            cohort = self._call_in_loop(decide)
            if isinstance(cohort, TooFew):
                raise self._too_small(cohort.silos)
            if isinstance(cohort, Begin):
                if late:
                    self._call_in_loop(functools.partial(self._go_without, shards, cohort.without))
                if cohort.left_out:
                    _LOG.info("sampled a cohort", silos=cohort.silos, left_out=sorted(cohort.left_out))
                self.progress.phase(Phase.RUNNING)
                return cohort.silos
            message = f"{cohort.message}. {self._reason_to_wait(cohort.ready)}" if late else cohort.message
            self.progress.phase(Phase.WAITING_FOR_SILOS, message)
            time.sleep(_LOOK_S)

    def cohort_sizes(self) -> Mapping[SiloName, int]:
        """Returns the smallest cohort that each silo's policy allows."""
        return self._call_in_loop(self.roster.cohort_sizes)

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """Checks that the accumulators of a stage fit on the disk, before silos work.

        Args:
            accumulator_bytes: The known size of one silo's accumulators.
            silos: The number of silos that send accumulators.

        Raises:
            FedjobsError: DISK_FULL. The message has the needed and the free space.
        """
        needed = (silos + 2) * accumulator_bytes  # one more for the result, and one for the state
        spare = sum(map(_size, (self._directory / "spool" / "spares").iterdir()))  # reused in each round
        free = shutil.disk_usage(self._directory).free + spare
        if free < needed:
            raise FedjobsError(
                ErrorCode.DISK_FULL,
                f"The accumulators of {silos} silos need {needed} bytes in {self._directory}, and {free} are free.",
                "Give the coordinator more storage.",
            )

    def mark_failed(self, invocation: InvocationId, shard: Digest, silo: SiloName, failure: Failure) -> None:
        """Records why a silo does not contribute to a stage. It is asked again when `failure.retry` says."""

        def mark() -> None:
            self._refusals.add(invocation.text, shard, silo, failure, self._now())
            if failure.retry is not Retry.NEVER and failure.reason != ROUND_DEADLINE:  # the silo shows these already
                self.roster.failed(silo, failure.reason, failure.message)

        self._call_in_loop(mark)

    def mark_worked(self, shard: Digest, silos: Sequence[SiloName]) -> None:
        """Records that silos contributed to a stage."""

        def mark() -> None:
            for silo in silos:
                self._refusals.worked(shard, silo)

        self._call_in_loop(mark)

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Assigns work to silos."""
        self._loop.call_soon_threadsafe(self._sessions.assign, assignments)

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """Withdraws unfinished work. The round continues without it."""
        work_ids, overdue = [a.work_id for a in assignments], not self._stopping
        self._loop.call_soon_threadsafe(lambda: self._sessions.withdraw(work_ids, overdue=overdue))

    def wait_for_reports(self, assignments: Sequence[Assignment], attempt: int = 1) -> None:
        """Waits until each assignment has an outcome, or has made no progress for the round's deadline.

        Each further attempt of an invocation doubles that time, up to 16 times, so that work that takes longer than the
        deadline is not cancelled without end.

        Raises:
            SuspendedError: The coordinator was told to stop.
        """
        patience = patience_of(self.job.cohort.round_deadline_seconds, attempt)
        silos = [assignment.silo for assignment in assignments]
        assignments[0].outcomes.wait(silos, patience, self._now, lambda: self._stopping)
        self.check_stopping()

    def run_again(self, reason: str) -> None:
        """Shows why an invocation runs again."""
        self.progress.phase(Phase.WAITING_FOR_SILOS, reason)

    def finish_invocation(self, number: int) -> None:
        """Deletes reports that no restart needs, because the invocation with this number has run."""
        self._call_in_loop(lambda: self._reports.drop_before(number - _KEPT_INVOCATIONS + 1))

    def mark_loaded(self, version: int) -> None:
        """Records that the program continues from the state of this version."""
        self.identities.mark_durable(version)

    def mark_durable(self, version: int) -> None:
        """Deletes all reports, because the state of this version, which includes them, is durable."""
        self.identities.mark_durable(version)
        self._call_in_loop(self._reports.forget)

    def dismiss(self) -> None:
        """Tells the silos that the job is complete, before its result is exported."""
        self._call_in_loop(lambda: self._sessions.end(Phase.COMPLETE.value))

    def close(self, outcome: str) -> None:
        """Tells the silos that the job is over, and stops the server.

        Args:
            outcome: Complete, Failed or Suspended.
        """
        self._ticking.cancel()
        self._call_in_loop(lambda: self._sessions.end(outcome))
        self._call_in_loop(self._status_reports.end)
        self._run_in_loop(self._server.stop(_GRACE_S))
        with logged_when_unwritten():
            self.progress.refresh()
        self._end_loop()
        self._lock.release()

    # --- inside

    def _decided(self, invocation: InvocationId, shards: tuple[Digest, ...], *, late: bool) -> cohorts.Cohort:
        presence = Presence(
            invited=len(self.job.silos),
            ready=self.roster.ready(),
            awaited=self.roster.awaited(),
            declined=self.roster.unwilling(),
            refused=self._refusals.refused(invocation.text, shards).keys(),
            resting=self._refusals.resting(shards, self._now()),
        )
        standing = self._consents.standing_of_all(shards)
        return cohorts.decide(presence, standing, self.job.cohort, late=late, seed=invocation.text)

    def _reason_to_wait(self, ready: Sequence[SiloName]) -> str:
        """Returns why a round whose deadline has passed does not start."""
        missing = self._call_in_loop(lambda: self.roster.why_missing(ready))
        return f"At least {self.job.cohort.min_silos} are needed: {missing}."

    def _go_without(self, shards: Sequence[Digest], silos: Iterable[SiloName]) -> None:
        self.roster.gave_up_waiting()
        for shard in shards:
            self._consents.pass_over(shard, set(silos))

    def _too_small(self, ready: Sequence[SiloName]) -> FedjobsError:
        why = self._call_in_loop(lambda: self.roster.why_missing(ready))
        return FedjobsError(
            ErrorCode.COHORT_TOO_SMALL,
            f"Only {len(ready)} of at least {self.job.cohort.min_silos} silos can take part: {why}.",
            "Fix the cause at these silos, or lower spec.cohort.minSilos.",
        )

    def _silo_changed(self, silo: SiloName, state: SiloState, reason: str, message: str) -> None:
        with logged_when_unwritten():  # silos can join and get work even if the disk is full
            self.progress.silo(silo, state, reason, message)

    async def _tick(self) -> None:
        while True:
            if not self._sessions.is_over:
                self.roster.expire()
            with logged_when_unwritten():
                await asyncio.to_thread(self.progress.refresh)
            await asyncio.sleep(_TICK_S)

    def _call_in_loop(self, function: Callable[[], Result]) -> Result:
        async def call() -> Result:
            return function()

        return self._run_in_loop(call())

    def _run_in_loop(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # the file was taken from the pool meanwhile
