"""The session with a job's coordinator: joins, pulls work, runs it and reports, until the job ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog
from fedjobs_common import digests, retries
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS, SHARD_FORMATS, TENSORFLOW, installed

from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.consent.consents import Consents
from fedjobs_worker.consent.policies import Decision, Refused
from fedjobs_worker.metrics import WorkerMetrics
from fedjobs_worker.release.failures import Failure
from fedjobs_worker.release.finished import Finished
from fedjobs_worker.release.texts import LONGEST_NAME
from fedjobs_worker.sessions.activities import Activity, Heartbeats
from fedjobs_worker.sessions.consent_watches import ConsentWatch
from fedjobs_worker.sessions.finished_works import FinishedWorks
from fedjobs_worker.sessions.seen_generations import SeenGenerations
from fedjobs_worker.sessions.work_items import asked_by, blobs_of
from fedjobs_worker.sessions.works import CancelledError, SessionEndedError, Works
from fedjobs_worker.termination import StopAskedError, Stopping
from fedjobs_worker.termination_message import outcome_of_job

_SESSION_ENDED = frozenset(
    {
        ErrorCode.UNAVAILABLE,
        ErrorCode.SESSION_NOT_FOUND,
        ErrorCode.SESSION_SUPERSEDED,
        ErrorCode.STALE_COORDINATOR,
    }
)
_LARGEST_UINT32 = (1 << 32) - 1
_LARGEST_INLINE = 1 << 20  # bytes; a coordinator cannot ask for more in one message
_MOST_OFFERS = 256  # that are answered in one message; a program has only a few
_LOG = structlog.get_logger()

Result = TypeVar("Result")


class Session:
    """A silo's participation in a job.

    Args:
        client: The client for the coordinator.
        works: Runs work items.
        consents: Decides about computations.
        finished: The finished work items.
        state: A folder that outlives this process.
        metrics: Counts work items and bytes.
        stopping: Handles SIGTERM.
    """

    def __init__(
        self,
        client: SessionClient,
        works: Works,
        consents: Consents,
        finished: FinishedWorks,
        state: Path,
        metrics: WorkerMetrics,
        stopping: Stopping,
    ) -> None:
        self._client = client
        self._works = works
        self._finished = finished
        self._generations = SeenGenerations(state)
        self._heartbeats = Heartbeats(client, works.cancel)
        self._consent_watch = ConsentWatch(client, consents, works.gate.consent)
        self._metrics = metrics
        self._stopping = stopping
        self._session_id = ""
        self._report: pb.Report | None = None
        """The report of the last work item. It is sent until the coordinator acknowledges it."""
        self._work = pb.Work()

    def run(self, invitation: Decision) -> str:
        """Takes part until the job ends.

        Args:
            invitation: The policy's decision about the invitation.

        Returns:
            Complete, Failed or Suspended, or Declined if the silo does not take part.

        Raises:
            FedjobsError: An error that a retry does not fix.
            StopAskedError: The process was stopped by SIGTERM. Finished work has been delivered.
        """
        if isinstance(invitation, Refused):
            decline = pb.Decline(rule=invitation.rule, message=invitation.message)
            retries.forever(on_wait=_log_wait)(self._client.join, self._join_request(decline))
            return "Declined"
        self._heartbeats.start()
        try:
            while True:
                joined, response = retries.forever(on_wait=_log_wait)(self._begin)
                try:
                    return self._take_part(joined, response)
                except SessionEndedError as ended:
                    if self._stopping.asked and ended.cause.code is ErrorCode.SESSION_SUPERSEDED:
                        raise StopAskedError from ended  # the worker that replaces this one has joined already
                    _LOG.warning("the session ended; joining again", code=ended.cause.code.label, error=str(ended))
        except StopAskedError:
            self._hand_over()
            raise
        finally:
            self._heartbeats.stop()
            self._consent_watch.stop()

    def _begin(self) -> tuple[pb.JoinResponse, pb.PullWorkResponse]:
        """Joins and pulls once. The session is established when the coordinator has answered both calls."""
        joined = self._client.join(self._join_request(None))
        self._generations.saw(joined.generation)
        self._session_id = joined.session_id
        self._heartbeats.follow(joined.session_id, joined.heartbeat_seconds)
        self._consent_watch.follow(joined.session_id)
        _LOG.info("joined", generation=joined.generation)
        self._drop_what_was_denied()
        if self._stopping.asked and self._report is not None:
            raise StopAskedError
        return joined, self._client.pull_work(joined.session_id, self._report)

    def _drop_what_was_denied(self) -> None:
        """Drops a result that did not arrive, if a person has denied the computation since."""
        asked = asked_by(self._work)
        finished = self._finished.get(asked) if self._report is not None else None
        if finished is not None:
            fetch = lambda download: self._client.fetch(self._session_id, download)  # noqa: E731
            if self._works.repeated(self._work, asked, finished, fetch) is not finished:
                self._report = None

    def _take_part(self, joined: pb.JoinResponse, response: pb.PullWorkResponse) -> str:
        while True:
            self._acknowledge(response)
            if response.HasField("over"):
                return outcome_of_job(response.over.outcome)
            if response.HasField("offer"):
                self._answer(joined, response.offer)
            elif response.HasField("work"):
                with self._stopping.busy():
                    self._work = response.work
                    self._report = self._done(joined, response.work)
            response = _in_session(lambda: self._client.pull_work(joined.session_id, self._report))

    def _answer(self, joined: pb.JoinResponse, offer: pb.Offer) -> None:
        """Sends the decision about each offered shard."""
        self._heartbeats.activity = Activity("loading")
        try:
            consents = []
            for offered in offer.shards[:_MOST_OFFERS]:
                said = self._works.answer(offered, self._fetch)
                label, consent = printable(offered.label, LONGEST_NAME), type(said).__name__
                _LOG.info("the coordinator offered a computation", label=label, consent=consent)
                digest = digests.named(offered.shard.digest)
                consents.append(self._works.gate.consent(digest, offered.scope, said, time.time()))
            _in_session(lambda: self._client.consent(joined.session_id, consents))
        finally:
            self._heartbeats.activity = Activity()
        self._consent_watch.follow(joined.session_id)

    def _acknowledge(self, response: pb.PullWorkResponse) -> None:
        if self._report is None or response.acknowledged_work_id != self._report.work_id:
            return
        if response.HasField("report_error"):
            error = response.report_error
            _LOG.error("the coordinator rejected the report", code=error.code, error=error.message)
        self._report = None

    def _hand_over(self) -> None:
        """Delivers the last report. The response may wait for new work, so a heartbeat checks that it has arrived."""
        report, session_id = self._report, self._session_id
        if report is None or self._stopping.grace_s == 0:
            return

        taken = threading.Event()

        def deliver() -> None:
            try:
                self._client.pull_work(session_id, report)
            except FedjobsError as error:
                if not taken.is_set():
                    _LOG.warning("cannot deliver the last report", code=error.code.label, error=error.public)

        delivering = threading.Thread(target=deliver, name="hands-over", daemon=True)
        delivering.start()
        try:
            while delivering.is_alive() and not taken.is_set():
                if self._client.heartbeat(session_id, report.work_id, "sending").cancel:
                    taken.set()  # the report has arrived, or the coordinator no longer needs it
                delivering.join(0.1)
        except FedjobsError as error:
            _LOG.warning("the coordinator does not answer", code=error.code.label, error=error.public)

    def _done(self, joined: pb.JoinResponse, work: pb.Work) -> pb.Report | None:
        """Runs a work item, unless its result is known already, and sends the accumulators."""
        _in_session(lambda: self._generations.saw(work.generation))

        def doing(state: str) -> None:
            self._heartbeats.activity = Activity(state, work.work_id)

        started = time.monotonic()
        try:
            asked = asked_by(work)
            finished = self._finished.get(asked)
            if finished is None:
                self._finished.make_room()
                self._metrics.transferred(down=sum(len(blob.inline) for blob in blobs_of(work)))
                finished = self._works.carry_out(work, asked, self._fetch, doing)
                finished = finished.inlined(min(joined.inline_limit, _LARGEST_INLINE))
                if finished.repeatable:
                    self._finished.add(asked, finished)
            else:
                finished = self._works.repeated(work, asked, finished, self._fetch)
            doing("sending")
            report = self._delivered(finished, joined, work)
            self._metrics.worked(_outcome(report), time.monotonic() - started)
            return report
        except CancelledError:
            _LOG.info("the work was cancelled", work=work.work_id, label=work.label)
            self._metrics.worked(_outcome(None), time.monotonic() - started)
            return None
        finally:
            self._heartbeats.activity = Activity()

    def _fetch(self, download: Download) -> None:
        before = download.committed
        try:
            _in_session(lambda: self._client.fetch(self._session_id, download))
        finally:
            self._metrics.transferred(down=max(0, download.committed - before))

    def _delivered(self, finished: Finished, joined: pb.JoinResponse, work: pb.Work) -> pb.Report | None:
        """Sends the accumulators and returns the report, or None if the coordinator no longer needs them."""
        report = pb.Report()
        report.CopyFrom(finished.report)
        report.generation = work.generation
        value = finished.accumulators
        if isinstance(value, bytes):
            raw = digests.raw(digests.digest(value))
            report.result.accumulators.CopyFrom(pb.Blob(digest=raw, size=len(value), inline=value))
            self._metrics.transferred(up=len(value))
        elif value is not None:
            try:
                digest = _in_session(lambda: self._client.put_blob(joined.session_id, work.work_id, value))
            except FedjobsError as error:
                _LOG.error("the coordinator rejected the accumulators", code=error.code.label, error=error.public)
                if error.code is ErrorCode.WORK_NOT_FOUND:
                    return None
                rejected = Failure(FailureClass.RESULT_REJECTED, code=error.code)
                return self._works.gate.rejected(work, rejected).report
            report.result.accumulators.CopyFrom(pb.Blob(digest=digest, size=finished.size))
            self._metrics.transferred(up=finished.size)
        return report

    def _join_request(self, decline: pb.Decline | None) -> pb.JoinRequest:
        return pb.JoinRequest(
            protocol_versions=PROTOCOL_VERSIONS,
            shard_formats=SHARD_FORMATS,
            fedjobs_version=installed("fedjobs"),
            tensorflow_version=installed(*TENSORFLOW),
            highest_generation=self._generations.highest,
            min_cohort_size=min(self._works.min_cohort_size, _LARGEST_UINT32),
            decline=decline,
        )


def _in_session(call: Callable[[], Result]) -> Result:
    """Makes a call to the coordinator. Raises SessionEndedError if the session or the connection is lost."""
    try:
        return call()
    except FedjobsError as error:
        if error.code in _SESSION_ENDED:
            raise SessionEndedError(error) from error
        raise


def _outcome(report: pb.Report | None) -> str:
    return (report and report.WhichOneof("outcome")) or "cancelled"


def _log_wait(error: FedjobsError, seconds: float) -> None:
    _LOG.warning("waiting for the coordinator", code=error.code.label, error=error.public, seconds=round(seconds, 2))
