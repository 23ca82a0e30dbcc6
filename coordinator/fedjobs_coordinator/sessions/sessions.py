"""Handles the silos' calls. Everything here runs in one event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Generation, JobUid, SiloName, WorkId
from fedjobs_protocol.identities.identities import Peer
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.transfers.blobs import BlobSource, Upload
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.versions import OFFERS_SINCE, PROTOCOL_VERSIONS, SHARD_FORMATS, negotiate

from fedjobs_coordinator.aggregation.blob_store import StoredBlob
from fedjobs_coordinator.aggregation.outcomes import Failure, Report, Retry
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import MOST_OFFERS, Consents, Offered, Word
from fedjobs_coordinator.sessions.excluded_silos import ExcludedSilos
from fedjobs_coordinator.sessions.held_work import HeldWork
from fedjobs_coordinator.sessions.open_sessions import OpenSession, OpenSessions
from fedjobs_coordinator.sessions.refusals import retry_of_code
from fedjobs_coordinator.sessions.report_checks import outcome_of
from fedjobs_coordinator.sessions.roster import HINDERED, Roster
from fedjobs_coordinator.sessions.untrusted_text import sanitize
from fedjobs_coordinator.sessions.work_progress import WorkProgress

_LOG = structlog.get_logger()
INLINE_LIMIT = 64 * 1024  # bytes; larger values travel as blobs
HEARTBEAT_S = 5.0
POLL_S = 40.0  # less than 50 s, because load balancers cut idle connections


class Sessions:
    """Implements `fedjobs_protocol.sessions.session_server.SessionHandler`.

    Args:
        job_uid: The UID of the job.
        generation: The coordinator's generation.
        roster: The states of the silos.
        reports: Stores accumulators and reports.
        consents: The offers and the silos' answers.
        poll_s: The maximum duration of a long poll.
        now: A monotonic clock, in seconds.
        joined: Called when a silo starts a session.
    """

    def __init__(
        self,
        job_uid: JobUid,
        generation: Generation,
        roster: Roster,
        reports: ReportStore,
        consents: Consents,
        poll_s: float = POLL_S,
        now: Callable[[], float] = time.monotonic,
        joined: Callable[[SiloName], None] = lambda _: None,
    ) -> None:
        self._poll_s = poll_s
        self._now = now
        self._joined = joined
        self._job_uid = job_uid
        self._generation = generation
        self._roster = roster
        self._reports = reports
        self._consents = consents
        self._sessions = OpenSessions()
        self._assignments: dict[SiloName, Assignment] = {}
        self._progress: dict[SiloName, WorkProgress] = {}
        self._held = HeldWork()
        self._excluded = ExcludedSilos(roster)
        self._over: str | None = None

    # --- for the coordinator, in the event loop

    def assign(self, assignments: Iterable[Assignment]) -> None:
        """Assigns work to silos, except work that has a report already."""
        for assignment in assignments:
            known = self._excluded.failure(assignment.silo) or self._reports.find(assignment.work_id)
            if known is not None:
                assignment.outcomes.put(assignment.silo, known)
                continue
            self._assignments[assignment.silo] = assignment
            self._progress[assignment.silo] = WorkProgress(
                sum(blob.size for blob in assignment.blobs.values()), assignment.largest
            )
            self._held.released(assignment.silo)
            self._roster.working(assignment.silo)
            self._sessions.wake(assignment.silo)

    def offer(self, offers: Iterable[Offered]) -> None:
        """Offers shards to all silos."""
        for offered in offers:
            self._consents.offer(offered)
        self._sessions.wake_all()

    def withdraw(self, work_ids: Iterable[WorkId], *, overdue: bool = False) -> None:
        """Withdraws work.

        Args:
            work_ids: The ids of the work.
            overdue: Whether the work is overdue. Silos that still have it get no other work until they ask for some.
        """
        unwanted = set(work_ids)
        for silo in [s for s, a in self._assignments.items() if a.work_id in unwanted]:
            del self._assignments[silo]
            if overdue:
                self._roster.overdue(silo)

    def exclude(self, exclusions: Sequence[Exclusion]) -> None:
        """Replaces the list of excluded silos. Their sessions end, and they cannot join while they are excluded."""
        for silo in self._excluded.replace(exclusions):
            if (assignment := self._assignments.pop(silo, None)) and (failure := self._excluded.failure(silo)):
                assignment.outcomes.put(silo, failure)
            self._sessions.end(silo)

    def end(self, outcome: str) -> None:
        """Tells all silos that the job is over. The first outcome counts."""
        self._over = self._over or outcome
        self._sessions.wake_all()

    @property
    def is_over(self) -> bool:
        """Whether the job is over for the silos."""
        return self._over is not None

    # --- the silos' calls

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse:
        silo = self._invited(peer)
        protocol = negotiate(PROTOCOL_VERSIONS, tuple(request.protocol_versions), "protocol")
        shard_format = negotiate(SHARD_FORMATS, tuple(request.shard_formats), "shard format")
        if request.highest_generation > self._generation:
            raise FedjobsError(
                ErrorCode.STALE_COORDINATOR,
                f"Silo {silo} has seen generation {request.highest_generation} of this job, "
                f"but this coordinator has generation {self._generation}.",
                "Stop this coordinator. A newer one has replaced it.",
            )
        if request.HasField("decline"):
            decline = Failure(sanitize(request.decline.rule), sanitize(request.decline.message), Retry.NEVER)
            if decline.reason == HINDERED:
                self._roster.hindered(silo, decline.reason, decline.message)
                return self._response(protocol, shard_format, session_id="")  # an existing session continues
            self._roster.declined(silo, decline.reason, decline.message)
            if assignment := self._assignments.pop(silo, None):
                assignment.outcomes.put(silo, decline)
        else:
            versions = {
                "fedjobs": sanitize(request.fedjobs_version),
                "tensorflow": sanitize(request.tensorflow_version),
            }
            _LOG.info("a silo has joined", silo=silo, **versions)
            self._roster.joined(silo, request.min_cohort_size)
            self._consents.joined(silo, asked=protocol >= OFFERS_SINCE)
            self._joined(silo)
        return self._response(protocol, shard_format, self._sessions.begin(silo))

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        silo, session = self._session(peer, request.session_id)
        self._roster.seen(silo)
        self._roster.asked_for_work(silo)
        response = pb.PullWorkResponse()
        if request.HasField("report"):
            response.acknowledged_work_id = request.report.work_id
            try:
                self._take(silo, request.report)
            except FedjobsError as error:
                response.report_error.CopyFrom(_as_message(error))
        await self._until_something_to_say(silo, session)
        if self._over is not None:
            response.over.outcome = self._over
        elif offers := self._consents.unanswered(silo):
            response.offer.shards.extend(offered.message for offered in offers)
        elif (assignment := self._assignments.get(silo)) and not self._held.seconds(silo, self._now()):
            response.work.CopyFrom(assignment.work)
        return response

    async def consent(self, peer: Peer, request: pb.ConsentRequest) -> pb.ConsentResponse:
        silo, _ = self._session(peer, request.session_id)
        self._roster.seen(silo)
        if len(request.consents) > 2 * MOST_OFFERS:  # answers to offers that were dropped since may be among them
            raise FedjobsError(
                ErrorCode.REQUEST_MALFORMED,
                f"Silo {silo} sent {len(request.consents)} answers, but there are at most {MOST_OFFERS} offers.",
                "Install the same release of fedjobs at the silo and at the coordinator.",
            )
        for consent in request.consents:
            answer = self._consents.answered(silo, consent)
            if answer is None:
                continue
            if answer.word is Word.APPROVED:
                self._roster.consented(silo)
            elif answer.word is Word.AWAITING:
                self._roster.awaiting(silo, answer.rule, answer.message)
            elif answer.until:  # it is asked again
                self._roster.failed(silo, answer.rule, answer.message)
            else:
                self._roster.refused(silo, answer.rule, answer.message)
        return pb.ConsentResponse()

    async def heartbeat(self, peer: Peer, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        silo, _ = self._session(peer, request.session_id)
        activity = sanitize(request.state)
        self._roster.seen(silo, activity)
        assignment = self._assignments.get(silo)
        if assignment and assignment.work_id == request.work_id and self._progress[silo].told(activity):
            assignment.outcomes.progressed(silo, self._now())
        unwanted = bool(request.work_id) and (assignment is None or assignment.work_id != request.work_id)
        return pb.HeartbeatResponse(cancel=unwanted)

    async def stat_blob(self, peer: Peer, request: pb.StatBlobRequest) -> pb.StatBlobResponse:
        silo, _ = self._session(peer, request.session_id)
        assignment = self._assigned(silo, request.work_id)
        return pb.StatBlobResponse(committed=self._reports.committed(assignment.work_id))

    async def open_blob(self, peer: Peer, request: pb.FetchBlobRequest) -> BlobSource:
        silo, _ = self._session(peer, request.session_id)
        assignment = self._assignments.get(silo)
        blob = assignment.blobs.get(request.digest) if assignment else None
        blob = blob or self._consents.blob(silo, request.digest)
        if blob is None:
            raise FedjobsError(ErrorCode.BLOB_NOT_FOUND, f"Silo {silo} has no access to this blob.")
        return BlobSource(blob.fd, blob.size, released=lambda: _keep(blob))

    async def open_upload(self, peer: Peer, header: pb.PutBlobHeader) -> Upload:
        silo, _ = self._session(peer, header.session_id)
        assignment = self._assigned(silo, header.work_id)
        if header.size > assignment.largest:
            raise FedjobsError(
                ErrorCode.BLOB_TOO_LARGE,
                f"Silo {silo} announced {header.size} bytes, and its accumulators have at most {assignment.largest}.",
            )
        return self._reports.upload(assignment.work_id, header.size, assignment.number)

    async def upload_finished(self, peer: Peer, header: pb.PutBlobHeader, upload: Upload, ok: bool) -> None:
        """Does nothing: the report refers to the upload."""

    def transferred(self, peer: Peer, *, down: int = 0, up: int = 0) -> None:
        if (silo := SiloName(peer.silo)) in self._roster:
            self._excluded.check(silo)  # ends a running transfer
            self._roster.transferred(silo, down, up)
            assignment = self._assignments.get(silo)
            if assignment and self._progress[silo].transferred(down, up):
                assignment.outcomes.progressed(silo, self._now())

    # --- inside

    def _response(self, protocol: int, shard_format: int, session_id: str) -> pb.JoinResponse:
        return pb.JoinResponse(
            protocol_version=protocol,
            shard_format=shard_format,
            job_uid=self._job_uid,
            generation=self._generation,
            session_id=session_id,
            heartbeat_seconds=HEARTBEAT_S,
            inline_limit=INLINE_LIMIT,
        )

    def _invited(self, peer: Peer) -> SiloName:
        silo = SiloName(peer.silo)
        if silo not in self._roster:
            raise FedjobsError(
                ErrorCode.NOT_INVITED, f"Silo {silo} is not invited to this job.", "Add it to the job's spec.silos."
            )
        self._excluded.check(silo)
        return silo

    def _session(self, peer: Peer, session_id: str) -> tuple[SiloName, OpenSession]:
        silo = self._invited(peer)
        return silo, self._sessions.find(silo, session_id)

    def _assigned(self, silo: SiloName, work_id: str) -> Assignment:
        assignment = self._assignments.get(silo)
        if assignment is None or assignment.work_id != work_id:
            raise FedjobsError(
                ErrorCode.WORK_NOT_FOUND, f"Work {work_id[:16]} is not assigned to silo {silo}, or was withdrawn."
            )
        return assignment

    async def _until_something_to_say(self, silo: SiloName, session: OpenSession) -> None:
        held = self._held.seconds(silo, self._now())
        if self._over is not None or self._consents.unanswered(silo) or (silo in self._assignments and not held):
            return
        if await self._sessions.woken(silo, session, min(held or self._poll_s, self._poll_s)):
            self._excluded.check(silo)
            self._sessions.check(silo, session)

    def _take(self, silo: SiloName, report: pb.Report) -> None:
        """Handles a report. A report of work that is not assigned (any more) is acknowledged and dropped."""
        assignment = self._assignments.get(silo)
        if assignment is None or assignment.work_id != report.work_id:
            return
        try:
            outcome = outcome_of(assignment, report, self._reports)
            if isinstance(outcome, Report):
                self._reports.add(assignment.work_id, outcome, assignment.number)
        except FedjobsError as error:
            if error.retryable:
                # Keep the assignment: the silo runs the work again, or sends the finished result again. But not at
                # once: a full disk is still full then, and the silo would upload its result in a tight loop.
                self._held.hold(silo, self._now())
                raise
            label = error.code.label
            outcome = Failure(label, sanitize(error.public), retry_of_code(label))
            del self._assignments[silo]
            assignment.outcomes.put(silo, outcome)
            self._roster.failed(silo, outcome.reason, outcome.message)
            raise
        del self._assignments[silo]
        assignment.outcomes.put(silo, outcome)  # first, because writing the silos' states fails on a full disk
        if isinstance(outcome, Report):
            self._roster.reported(silo, outcome.device, outcome.clients)
        elif outcome.retry is Retry.NEVER:
            self._roster.refused(silo, outcome.reason, outcome.message)
        else:
            self._roster.failed(silo, outcome.reason, outcome.message)


def _as_message(error: FedjobsError) -> pb.Error:
    return pb.Error(code=error.code.label, message=error.public, retryable=error.retryable)


def _keep(blob: StoredBlob) -> None:
    """Does nothing. A callback that refers to the blob keeps it alive."""
