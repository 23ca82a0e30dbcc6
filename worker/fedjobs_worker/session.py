"""The session with the coordinator of one job: join, pull work, carry it out, report, until the job is over."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog
from fedjobs_protocol import digests, retries
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.files import write_atomically
from fedjobs_protocol.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS, SHARD_FORMATS

from fedjobs_worker.activities import Activity, Heartbeats
from fedjobs_worker.finished_works import Finished, FinishedWorks
from fedjobs_worker.policies import Decision, Refused
from fedjobs_worker.works import CancelledError, SessionEndedError, Works

_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm")
_SESSION_ENDED = frozenset(
    {
        ErrorCode.UNAVAILABLE,
        ErrorCode.SESSION_UNKNOWN,
        ErrorCode.SESSION_SUPERSEDED,
        ErrorCode.STALE_COORDINATOR,
    }
)
_LOG = structlog.get_logger()

Result = TypeVar("Result")


class Session:
    """One silo's part in one job.

    Args:
        client: To the coordinator.
        works: Carries out work.
        finished: The memory of what was done.
        state: Folder that outlives this process.
    """

    def __init__(self, client: SessionClient, works: Works, finished: FinishedWorks, state: Path) -> None:
        self._client = client
        self._works = works
        self._finished = finished
        self._epochs = _Epochs(state)
        self._heartbeats = Heartbeats(client, works.cancel)
        self._report: pb.Report | None = None
        """Of the last work; sent again until it is acknowledged."""

    def run(self, invitation: Decision) -> str:
        """Takes part until the job is over.

        Args:
            invitation: What the silo's policy says to the invitation.

        Returns:
            Complete, Failed, Suspended; Declined where the silo does not take part.

        Raises:
            FedjobsError: What trying again does not help.
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
                    _LOG.warning("the session ended; joining again", code=ended.cause.code.label, error=str(ended))
        finally:
            self._heartbeats.stop()

    def _begin(self) -> tuple[pb.JoinResponse, pb.PullWorkResponse]:
        """Joins, and pulls once: a session is there when the coordinator has answered both."""
        joined = self._client.join(self._join_request(None))
        self._epochs.saw(joined.epoch)
        self._heartbeats.follow(joined.session_id, joined.heartbeat_seconds)
        _LOG.info("joined", epoch=joined.epoch)
        return joined, self._client.pull_work(joined.session_id, self._report)

    def _take_part(self, joined: pb.JoinResponse, response: pb.PullWorkResponse) -> str:
        while True:
            self._acknowledge(response)
            if response.HasField("over"):
                return response.over.outcome
            if response.HasField("work"):
                self._report = self._done(joined, response.work)
            response = _in_session(lambda: self._client.pull_work(joined.session_id, self._report))

    def _acknowledge(self, response: pb.PullWorkResponse) -> None:
        if self._report is None or response.acknowledged_work_id != self._report.work_id:
            return
        if response.HasField("report_error"):
            error = response.report_error
            _LOG.error("the coordinator refused the report", code=error.code, error=error.message)
        self._report = None

    def _done(self, joined: pb.JoinResponse, work: pb.Work) -> pb.Report | None:
        """Carries out a work item, or remembers what became of it, and sends the accumulators."""
        _in_session(lambda: self._epochs.saw(work.epoch))

        def doing(state: str) -> None:
            self._heartbeats.activity = Activity(state, work.work_id)

        try:
            finished = self._finished.get(work.work_id)
            if finished is None:
                self._finished.make_room()
                finished = self._works.carry_out(
                    work, lambda download: _in_session(lambda: self._client.fetch(joined.session_id, download)), doing
                )
                finished = _with_small_inline(finished, joined.inline_limit, self._finished)
                if not finished.report.HasField("failure"):  # a failure may pass: it is tried again when asked for
                    self._finished.add(finished)
            doing("sending")
            return self._delivered(finished, joined, work)
        except CancelledError:
            _LOG.info("the work is not wanted any more", work=work.work_id, label=work.label)
            return None
        finally:
            self._heartbeats.activity = Activity()

    def _delivered(self, finished: Finished, joined: pb.JoinResponse, work: pb.Work) -> pb.Report | None:
        """The report, once the accumulators have arrived; None where they are not wanted any more."""
        report = pb.Report()
        report.CopyFrom(finished.report)
        report.epoch = work.epoch
        value = finished.accumulators
        if isinstance(value, bytes):
            raw = digests.raw(digests.digest(value))
            report.result.accumulators.CopyFrom(pb.Blob(digest=raw, size=len(value), inline=value))
        elif value is not None:
            try:
                digest = _in_session(lambda: self._client.put_blob(joined.session_id, work.work_id, value))
            except FedjobsError as error:
                _LOG.error("the accumulators were refused", code=error.code.label, error=error.public)
                if error.code is ErrorCode.WORK_UNKNOWN:
                    return None
                failure = pb.Error(code=error.code.label, message=error.public, retryable=error.retryable)
                return pb.Report(work_id=work.work_id, epoch=work.epoch, failure=failure)
            report.result.accumulators.CopyFrom(pb.Blob(digest=digest, size=finished.size))
        return report

    def _join_request(self, decline: pb.Decline | None) -> pb.JoinRequest:
        return pb.JoinRequest(
            protocol_versions=PROTOCOL_VERSIONS,
            shard_formats=SHARD_FORMATS,
            fedjobs_version=_version("fedjobs"),
            tensorflow_version=next(filter(None, map(_version, _TENSORFLOW)), ""),
            highest_epoch=self._epochs.highest,
            capabilities=pb.Capabilities(cpus=len(os.sched_getaffinity(0))),
            decline=decline,
        )


class _Epochs:
    """The highest epoch that this silo has seen, also before a restart: a coordinator of a lower one is stale."""

    def __init__(self, state: Path) -> None:
        self._path = state / "epoch"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.highest = int(self._path.read_text()) if self._path.exists() else 0

    def saw(self, epoch: int) -> None:
        """Takes notice of an epoch.

        Raises:
            FedjobsError: STALE_COORDINATOR for one that is lower than the highest.
        """
        if epoch < self.highest:
            raise FedjobsError(
                ErrorCode.STALE_COORDINATOR,
                f"The coordinator is of epoch {epoch}, and one of epoch {self.highest} has been seen.",
                "End the older coordinator.",
            )
        if epoch > self.highest:
            write_atomically(self._path, str(epoch).encode())
            self.highest = epoch


def _in_session(call: Callable[[], Result]) -> Result:
    """A call to the coordinator; where the session is gone, or the link, a new one is begun."""
    try:
        return call()
    except FedjobsError as error:
        if error.code in _SESSION_ENDED:
            raise SessionEndedError(error) from error
        raise


def _with_small_inline(finished: Finished, limit: int, works: FinishedWorks) -> Finished:
    """Few accumulators are taken out of shared memory, which is free for the next work then."""
    if not isinstance(finished.accumulators, int) or finished.size > limit:
        return finished
    value = os.pread(finished.accumulators, finished.size, 0)
    works.recycle(finished.accumulators)
    return Finished(finished.report, value, len(value))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _log_wait(error: FedjobsError, seconds: float) -> None:
    _LOG.warning("waiting for the coordinator", code=error.code.label, error=error.public, seconds=round(seconds, 2))
