"""Runs a work item: fetches its values, decides, and runs the shard. The outcome is always a report."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import JobUid
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import messages
from fedjobs_worker.consent import limits, policies
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consents import Awaiting, Consent, Consents
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger, day_of
from fedjobs_worker.data import schema_check
from fedjobs_worker.data.dataset_loaders import Datasets
from fedjobs_worker.runner.client import RunnerClient, RunnerLostError
from fedjobs_worker.runner.inputs import Inputs
from fedjobs_worker.runner.sampling import sample
from fedjobs_worker.sessions.blob_cache import BlobCache
from fedjobs_worker.sessions.computations import Computations, Fetch
from fedjobs_worker.sessions.finished_works import Finished, FinishedWorks
from fedjobs_worker.sessions.work_items import asked_by, blobs_of, datasets_of, inputs_of
from fedjobs_worker.silo_files import SiloFile

_ATTEMPTS = 3  # if the runner dies during a run, which the graph may cause
_LOG = structlog.get_logger()

Doing = Callable[[str], None]
"""Called with the silo's activity."""


class SessionEndedError(Exception):
    """The session or the connection to the coordinator is lost. A new session can continue."""

    def __init__(self, cause: FedjobsError) -> None:
        super().__init__(cause.public)
        self.cause = cause


class CancelledError(Exception):
    """The coordinator no longer needs the work."""


class _RefusedError(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


@dataclass(frozen=True)
class _Selected:
    """A client input from a dataset of the silo: the dataset, its components, and the clients (indices, int64)."""

    dataset: str
    components: list[int]
    clients: np.ndarray[tuple[int], np.dtype[np.int64]]


class Works:
    """Runs work items for a silo.

    Args:
        silo: The silo file.
        job: The job's uid.
        audit: The audit log.
        ledger: What the job has used so far.
        consents: Decides about computations.
        datasets: The silo's datasets.
        runner: The client for the runner.
        finished: Provides memory for accumulators.
        device_note: Text that is reported with the device, such as why it is not a GPU.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        silo: SiloFile,
        job: JobUid,
        audit: Audit,
        ledger: Ledger,
        consents: Consents,
        datasets: Datasets,
        runner: RunnerClient,
        finished: FinishedWorks,
        device_note: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._silo = silo
        self._job = job
        self._audit = audit
        self._ledger = ledger
        self._datasets = datasets
        self._runner = runner
        self._finished = finished
        self._device_note = f" ({device_note})" if device_note else ""
        self._clock = clock
        self._blobs = BlobCache()
        self._computations = Computations(self._blobs, runner, consents, silo.policy.computations.operations.allow)
        self._current = ""
        self._cancelled = threading.Event()

    def cancel(self, work_id: str) -> None:
        """Cancels a work item. Can be called from another thread."""
        if work_id == self._current:
            self._cancelled.set()
            self._runner.shut_down()

    def consent(self, offered: pb.OfferedShard, fetch: Fetch) -> Consent:
        """Decides about a shard that the coordinator offers.

        Raises:
            SessionEndedError: From `fetch`.
        """
        lost = 0
        while True:
            try:
                return self._computations.consent(offered.shard, offered.label, offered.datasets, fetch)
            except FedjobsError as error:
                return Refused(error.code.label, error.public)
            except RunnerLostError as error:
                lost += 1
                _LOG.warning("the runner was lost", label=offered.label, attempt=lost, reason=str(error))
                if lost == _ATTEMPTS:
                    failure = self._runner_failed(offered.label)
                    return Refused(failure.code.label, failure.public)

    def carry_out(self, work: pb.Work, fetch: Fetch, doing: Doing) -> Finished:
        """Runs a work item. A refusal or a failure is part of the returned report.

        Raises:
            CancelledError: The coordinator no longer needs the work.
            SessionEndedError: From `fetch`.
        """
        self._current = work.work_id
        self._cancelled.clear()
        try:
            return self._carried_out(work, fetch, doing)
        except _RefusedError as error:
            refusal = pb.Refusal(rule=error.refused.rule, message=error.refused.message)
            return Finished(pb.Report(work_id=work.work_id, generation=work.generation, refusal=refusal))
        except FedjobsError as error:
            return self._failed(work, error)
        except (CancelledError, SessionEndedError):
            raise
        except Exception as error:
            _LOG.exception("the work failed unexpectedly", work=work.work_id, label=work.label)
            unexpected = f"silo {self._silo.silo} failed unexpectedly with {type(error).__name__}."
            return self._failed(
                work, FedjobsError(ErrorCode.INTERNAL, unexpected, "See the silo's log for the details.")
            )
        finally:
            self._current = ""

    def _failed(self, work: pb.Work, error: FedjobsError) -> Finished:
        _LOG.error("the work failed", work=work.work_id, label=work.label, code=error.code.label, error=error.public)
        failure = pb.Error(code=error.code.label, message=error.public, retryable=error.retryable)
        return Finished(pb.Report(work_id=work.work_id, generation=work.generation, failure=failure))

    def close(self) -> None:
        """Frees the memory of fetched values."""
        self._blobs.close()

    def _carried_out(self, work: pb.Work, fetch: Fetch, doing: Doing) -> Finished:
        doing("fetching")
        self._blobs.make_room({digests.named(blob.digest) for blob in blobs_of(work) if not blob.HasField("inline")})
        shard = self._computations.shard(work.shard, work.label, inputs_of(work), fetch)
        if (len(work.broadcasts), len(work.client_inputs)) != (len(shard.broadcasts), len(shard.client_inputs)):
            raise FedjobsError(ErrorCode.SHARD_FAILED, "the work and its shard have different numbers of values.")
        for attempt in range(1, _ATTEMPTS + 1):
            if self._cancelled.is_set():
                raise CancelledError
            try:
                return self._attempted(work, shard, fetch, doing)
            except RunnerLostError as error:
                _LOG.warning("the runner was lost", work=work.work_id, attempt=attempt, reason=str(error))
        raise self._runner_failed(work.label)

    def _runner_failed(self, label: str) -> FedjobsError:
        return FedjobsError(
            ErrorCode.RUNNER_FAILED,
            f"the runner of silo {self._silo.silo} died {_ATTEMPTS} times in '{label}'.",
            "See the silo's log for the reason, such as a lack of memory.",
        )

    def _attempted(self, work: pb.Work, shard: shard_pb2.Shard, fetch: Fetch, doing: Doing) -> Finished:
        doing("loading")
        digest = digests.named(work.shard.digest)
        # The decision about the offer may be outdated, so decide again before running.
        consent = self._computations.consent(work.shard, work.label, inputs_of(work), fetch)
        self._decide(work, _decision(consent))
        allowance, usage = self._silo.policy.limits, self._ledger.usage()
        self._decide(work, limits.on_run(allowance, self._silo.silo, usage, self._job, digest, asked_by(work)))
        selected = [self._selected(work, *pair) for pair in zip(work.client_inputs, shard.client_inputs, strict=True)]
        counts = [len(selection.clients) for selection in selected if selection]
        if counts:
            self._decide(work, policies.on_clients(self._silo.policy, self._silo.silo, min(counts)))
        self._record(work, Allowed(), min(counts, default=None))
        if counts and max(counts) == 0:
            return Finished(_report(work, pb.Result(clients=0, device="none")))
        inputs = Inputs()
        doing("fetching")
        broadcasts = [self._piece(blob, inputs, fetch) for blob in work.broadcasts]
        client_inputs = [
            self._selection(selection, inputs) if selection else self._piece(source.values, inputs, fetch)
            for selection, source in zip(selected, work.client_inputs, strict=True)
        ]
        request = messages.Run(digest=digest, broadcasts=broadcasts, client_inputs=client_inputs, clients=work.clients)
        doing("running")
        return self._run(work, request, inputs, fetch)

    def _run(self, work: pb.Work, request: messages.Run, inputs: Inputs, fetch: Fetch) -> Finished:
        memory = self._finished.memory()
        try:
            with inputs as descriptors:
                ran = self._runner.run(request, [*descriptors, memory])
        except BaseException:
            self._finished.recycle(memory)
            raise
        if ran.clients:
            try:
                # An administrator may have denied the computation while it ran.
                consent = self._computations.still_allowed(work.shard, work.label, inputs_of(work), fetch)
                self._decide(work, _decision(consent))
                self._release(work, os.fstat(memory).st_size, ran.clients)
            except _RefusedError:
                self._finished.recycle(memory)
                raise
        device = ran.device + self._device_note
        report = _report(work, pb.Result(clients=ran.clients, seconds=ran.seconds, device=device))
        if ran.clients == 0:  # the accumulators of no clients may not be neutral, so do not send them
            self._finished.recycle(memory)
            return Finished(report)
        return Finished(report, memory, os.fstat(memory).st_size)

    def _release(self, work: pb.Work, size: int, clients: int) -> None:
        """Decides whether accumulators may leave the silo, and records the decision before they do."""
        silo, today = self._silo, day_of(self._clock())
        decision = limits.on_bytes(silo.policy.limits, silo.silo, self._ledger.usage(), self._job, today, size)
        self._audit.record(
            "result", decision, work=work.work_id, shard=work.shard.digest.hex(), bytes=size, clients=clients
        )
        if isinstance(decision, Refused):
            raise _RefusedError(decision)

    def _piece(self, blob: pb.Blob, inputs: Inputs, fetch: Fetch) -> messages.Piece:
        if blob.HasField("inline"):
            return inputs.small(blob.inline)
        return inputs.large(self._blobs.get(blob.digest, blob.size, fetch), blob.size)

    def _selected(self, work: pb.Work, source: pb.ClientInput, wanted: shard_pb2.Leaf) -> _Selected | None:
        """Selects the part of a dataset for a client input. Returns None if the program provides the values."""
        if not source.HasField("selection"):
            return None
        name, silo = source.selection.dataset, self._silo.silo
        self._decide(work, policies.on_dataset(self._silo.policy, silo, self._silo.datasets, name))
        dataset = self._datasets.get(name)
        components = schema_check.positions(silo, name, dataset.schema, wanted)
        clients = sample(dataset.clients, self._silo.datasets[name].clients_per_round, source.selection.seed)
        self._runner.load_data(name, dataset.memory)
        return _Selected(name, components, clients)

    def _selection(self, selected: _Selected, inputs: Inputs) -> messages.SelectedClients:
        clients = inputs.small(selected.clients.astype("<i8").tobytes())
        return messages.SelectedClients(dataset=selected.dataset, components=selected.components, clients=clients)

    def _decide(self, work: pb.Work, decision: Decision) -> None:
        if isinstance(decision, Refused):
            self._record(work, decision, None)
            raise _RefusedError(decision)

    def _record(self, work: pb.Work, decision: Decision, clients: int | None) -> None:
        self._audit.record(
            "work",
            decision,
            work=work.work_id,
            label=work.label,
            shard=work.shard.digest.hex(),
            datasets=datasets_of(work),
            clients=clients,
            asked=asked_by(work),
        )


def _decision(consent: Consent) -> Decision:
    """Returns a consent as a decision. What waits for approval does not run."""
    return Refused(consent.rule, consent.message) if isinstance(consent, Awaiting) else consent


def _report(work: pb.Work, result: pb.Result) -> pb.Report:
    return pb.Report(work_id=work.work_id, generation=work.generation, result=result)
