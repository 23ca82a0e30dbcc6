"""A job's coordinator: the session's server in a thread of its own, and what the program's thread asks of it."""

from __future__ import annotations

import asyncio
import functools
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

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
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions import cohorts
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.cohorts import Begin, Presence, TooFew
from fedjobs_coordinator.sessions.consents import Consents, Offered
from fedjobs_coordinator.sessions.roster import Roster
from fedjobs_coordinator.sessions.sessions import Sessions
from fedjobs_coordinator.sessions.work_identities import WorkIdentities
from fedjobs_coordinator.state.generation import GenerationLock
from fedjobs_coordinator.status.progress import Progress, logged_when_unwritten
from fedjobs_coordinator.status.status_reports import StatusReports

_TICK_S = 0.5
_LOOK_S = 0.05  # between looks at who is there
_GRACE_S = 2.0  # for the answer that the job is over to reach the silos
Result = TypeVar("Result")


class SuspendedError(Exception):
    """The coordinator was told to stop; the same job goes on from its last durable state another time."""


class Coordinator:
    """Serves one job's silos. Imports no TensorFlow: silos connect while that is imported.

    Args:
        job: What is run.
        identity: The coordinator's certificate, as it is now.
        directory: A folder that outlives this process.
        listen: `host:port`; port 0 chooses one.
        resumable: Whether another process may go on from this folder.

    Attributes:
        address: Where it listens.

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
    ) -> None:
        self.job = job
        self._directory = directory
        self._lock = GenerationLock(directory)
        self.progress = Progress(directory, job, self._lock.generation)
        spool = directory / "spool"
        spool.mkdir(exist_ok=True, mode=0o700)
        spares = FilePool(spool / "spares", most=2 * len(job.silos) + 2)
        self.store = BlobStore(spool / "values", spares)
        self.identities = WorkIdentities(JobUid(job.uid))
        self.roster = Roster(job.silos, time.monotonic, self._silo_changed)
        self.progress.follow(self.roster)
        self._reports = ReportStore(spool / "reports", spares, resumable=resumable)
        self._consents = Consents(time.monotonic)
        self._sessions = Sessions(JobUid(job.uid), self._lock.generation, self.roster, self._reports, self._consents)
        self._status_reports = StatusReports(lambda: self.progress.status.to_json())
        service = reports_server.service(self._status_reports, self._sessions.exclude)
        self._server = SessionServer(self._sessions, identity, listen, further=[service])
        self._stopping = False
        self._refusals: dict[Digest, set[SiloName]] = {}
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
        """Makes whoever waits for silos raise SuspendedError. May be called from a signal handler."""
        self._stopping = True  # no Event: its lock may be held by the very thread that the signal interrupts

    def check_stopping(self) -> None:
        """Looks whether it was told to stop.

        Raises:
            SuspendedError: It was.
        """
        if self._stopping:
            raise SuspendedError

    @property
    def generation(self) -> int:
        """Counts the starts of the job's coordinator."""
        return self._lock.generation

    def cohort(self, shard: Digest, offered: Callable[[], Offered]) -> list[SiloName]:
        """Waits for the silos of the next invocation.

        They are asked about the shard first, once, and only those that consent are counted. All that were invited and
        have not said no, or, after the round's deadline, as many as there must be at least. Who was waited for in vain
        once, or is still busy with an earlier round's work, is not waited for again before it is back. People may take
        longer than that deadline: a silo that goes away meanwhile has as long again to come back.

        Args:
            shard: What they will be asked to run.
            offered: What they are told of it; called where it is new.

        Raises:
            FedjobsError: COHORT_TOO_SMALL says who is missing, and why.
            SuspendedError: The coordinator was told to stop.
        """
        if not self._call_in_loop(lambda: self._consents.is_offered(shard)):
            offer = offered()
            self._call_in_loop(lambda: self._sessions.offer(offer))
        until = patient_until = time.monotonic() + self.job.cohort.round_deadline_seconds
        while True:
            self.check_stopping()
            presence, standing = self._call_in_loop(lambda: (self._presence(shard), self._consents.standing(shard)))
            late, patient = (now := time.monotonic()) > until, now <= patient_until
            cohort = cohorts.decide(presence, standing, self.job.cohort, late=late, patient=patient)
            if isinstance(cohort, TooFew):
                raise self._too_small(cohort.silos)
            if isinstance(cohort, Begin):
                if late:
                    self._call_in_loop(functools.partial(self._go_without, shard, cohort.without))
                self.progress.phase(Phase.RUNNING)
                return cohort.silos
            if cohort.for_people:
                patient_until = now + self.job.cohort.round_deadline_seconds
            self.progress.phase(Phase.WAITING_FOR_SILOS, cohort.message)
            time.sleep(_LOOK_S)

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """Looks whether the accumulators of a stage fit on the disk, before any silo works for them.

        Args:
            accumulator_bytes: Of one silo, as far as they are known before it has run.
            silos: That will send some.

        Raises:
            FedjobsError: DISK_FULL names what is needed and what there is.
        """
        needed = (silos + 2) * accumulator_bytes  # one more for the result, one for the state
        spare = sum(map(_size, (self._directory / "spool" / "spares").iterdir()))  # written over in each round
        free = shutil.disk_usage(self._directory).free + spare
        if free < needed:
            raise FedjobsError(
                ErrorCode.DISK_FULL,
                f"The accumulators of {silos} silos need {needed} bytes in {self._directory}; {free} are free.",
                "Give the coordinator more storage.",
            )

    def mark_refused(self, shard: Digest, silo: SiloName) -> None:
        """The silo will not run this shard, now or later."""
        self._refusals.setdefault(shard, set()).add(silo)

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Gives out work."""
        self._loop.call_soon_threadsafe(self._sessions.assign, assignments)

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """The round goes on without what has not come by now."""
        work_ids, overdue = [a.work_id for a in assignments], not self._stopping
        self._loop.call_soon_threadsafe(lambda: self._sessions.withdraw(work_ids, overdue=overdue))

    def wait_for_reports(self, assignments: Sequence[Assignment]) -> None:
        """Waits until each piece of work has an outcome, or the round's deadline has passed.

        Raises:
            SuspendedError: The coordinator was told to stop.
        """
        until = time.monotonic() + self.job.cohort.round_deadline_seconds
        assignments[0].outcomes.wait(len(assignments), until, time.monotonic, lambda: self._stopping)
        self.check_stopping()

    def mark_durable(self) -> None:
        """The state that all reports so far went into is durable: they are not needed any more."""
        self.identities.mark_durable()
        self._call_in_loop(self._reports.forget)

    def exclude(self, silo: SiloName, reason: str, message: str) -> None:
        """A silo's part was not used."""
        self._call_in_loop(lambda: self.roster.failed(silo, reason, message))

    def why_missing(self, there: Sequence[SiloName]) -> str:
        """For a person: the silos that are not among these, each with the reason."""
        return self._call_in_loop(lambda: self.roster.why_missing(there))

    def dismiss(self) -> None:
        """The silos have done their part: they are told that the job is complete, while its result is exported."""
        self._call_in_loop(lambda: self._sessions.end(Phase.COMPLETE.value))

    def close(self, outcome: str) -> None:
        """Tells the silos that the job is over, and ends the server.

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

    def _presence(self, shard: Digest) -> Presence:
        return Presence(
            invited=len(self.job.silos),
            ready=self.roster.ready(),
            awaited=self.roster.awaited(),
            declined=self.roster.unwilling(),
            refused=self._refusals.get(shard, set()),
        )

    def _go_without(self, shard: Digest, silos: Iterable[SiloName]) -> None:
        self.roster.gave_up_waiting()
        self._consents.pass_over(shard, set(silos))

    def _too_small(self, ready: Sequence[SiloName]) -> FedjobsError:
        why = self.why_missing(ready)
        return FedjobsError(
            ErrorCode.COHORT_TOO_SMALL,
            f"Only {len(ready)} of at least {self.job.cohort.min_silos} silos can take part: {why}.",
            "Mend what they say, or lower spec.cohort.minSilos.",
        )

    def _silo_changed(self, silo: SiloName, state: SiloState, reason: str, message: str) -> None:
        with logged_when_unwritten():  # a full disk: silos join, and get their work, all the same
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
        return 0  # it was taken meanwhile
