"""Runs a work item: fetches its values, decides, and runs the shard. The outcome is always a report."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from fedjobs_common import digests
from fedjobs_common.errors import FedjobsError
from fedjobs_common.ids import Digest, JobUid
from fedjobs_protocol.transfers.values import Array
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.consent import limits, policies
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consents import Awaiting, Consent, Consents
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger
from fedjobs_worker.data import schema_check
from fedjobs_worker.data.dataset_loaders import Datasets
from fedjobs_worker.release import failures
from fedjobs_worker.release.failures import Failure, WorkFailedError
from fedjobs_worker.release.finished import Finished
from fedjobs_worker.release.gate import ReleaseGate
from fedjobs_worker.release.texts import LONGEST_NAME, bounded, device_name
from fedjobs_worker.runner.client import RunnerClient, RunnerLostError
from fedjobs_worker.runner.inputs import Inputs
from fedjobs_worker.runner.sampling import sample
from fedjobs_worker.sessions.blob_cache import BlobCache, check_size
from fedjobs_worker.sessions.computations import Computations, Fetch, ShardRejectedError
from fedjobs_worker.sessions.work_items import (
    blobs_of,
    datasets_of,
    inputs_of,
    recorded_datasets,
    recorded_inputs,
)
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
    clients: Array


@dataclass(frozen=True)
class _Ran:
    """What a run left: the accumulators' memory, the clients, the seconds, and the runner's name of its device."""

    memory: int
    clients: int
    seconds: float
    device: str


class Works:
    """Runs work items for a silo.

    Args:
        silo: The silo file.
        audit: The audit log.
        ledger: What jobs have used so far.
        job: The job's uid.
        consents: Decides about computations.
        datasets: The silo's datasets.
        runner: The client for the runner.
        secret: The silo's secret for the sampling of clients.
        device_note: Text that is reported with the device, such as why it is not a GPU.
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
        secret: bytes,
        device_note: str = "",
    ) -> None:
        self.gate = ReleaseGate(silo, job, audit, ledger)
        self._silo = silo
        self._job = job
        self._audit = audit
        self._ledger = ledger
        self._consents = consents
        self._datasets = datasets
        self._runner = runner
        self._secret = secret
        self._device_note = device_note
        self._blobs = BlobCache()
        self._computations = Computations(self._blobs, runner, consents, silo.policy.computations.operations.allow)
        self._current = ""
        self._cancelled = threading.Event()

    @property
    def min_cohort_size(self) -> int:
        """The fewest silos that a result may combine, from the silo's policy."""
        return self._silo.policy.min_cohort_size

    def cancel(self, work_id: str) -> None:
        """Cancels a work item. Can be called from another thread."""
        if work_id == self._current:
            self._cancelled.set()
            self._runner.shut_down()

    def answer(self, offered: pb.OfferedShard, fetch: Fetch) -> Consent:
        """Decides about a shard that the coordinator offers. A refusal is in the audit log before it is sent.

        Raises:
            SessionEndedError: From `fetch`.
        """
        said = self.consent(offered, fetch)
        if isinstance(said, Refused):
            try:
                datasets = tuple(sorted(set(offered.datasets) - {""}))
                self._consents.refused(digests.named(offered.shard.digest), said, offered.label, datasets)
            except FedjobsError as error:  # a refusal reveals nothing, so it is sent even if the log is full
                _LOG.error("cannot record a refusal", code=error.code.label, error=error.public)
        return said

    def consent(self, offered: pb.OfferedShard, fetch: Fetch) -> Consent:
        """Decides about a shard that the coordinator offers.

        Raises:
            SessionEndedError: From `fetch`.
        """
        label = bounded(offered.label, LONGEST_NAME)
        inputs = recorded_inputs(offered.datasets, self._silo.datasets)
        lost = 0
        while True:
            try:
                accepted = limits.on_entries(self._silo.silo, self._ledger.usage(), self._job)
                if isinstance(accepted, Refused):
                    return accepted
                return self._computations.consent(offered.shard, label, inputs, fetch)
            except ShardRejectedError as error:
                return Refused(error.code.label, error.public)
            except FedjobsError as error:
                _LOG.error("cannot decide about a computation", label=label, error=error.public)
                return self._refusal_of(failures.of_error(error))
            except RunnerLostError as error:
                lost += 1
                _LOG.warning("the runner was lost", label=label, attempt=lost, reason=str(error))
                if lost == _ATTEMPTS:
                    return self._refusal_of(Failure(FailureClass.RUNNER_DIED))

    def _refusal_of(self, failure: Failure) -> Refused:
        message = failures.message_of(self._silo.silo, failure, "", share_schemas=False)
        return Refused(message.code, message.message)

    def carry_out(self, work: pb.Work, asked: Digest, fetch: Fetch, doing: Doing) -> Finished:
        """Runs a work item. A refusal or a failure is part of the returned report.

        Args:
            work: The work item.
            asked: The digest of what it asks for. See `work_items.asked_by`.
            fetch: Fetches values.
            doing: Called with the silo's activity.

        Raises:
            CancelledError: The coordinator no longer needs the work.
            SessionEndedError: From `fetch`.
        """
        self._current = work.work_id
        self._cancelled.clear()
        accepted = limits.on_entries(self._silo.silo, self._ledger.usage(), self._job)
        if isinstance(accepted, Refused):
            return self.gate.refusal(work, accepted)
        shard: shard_pb2.Shard | None = None
        try:
            doing("fetching")
            shard = self._shard(work, fetch)
            return self._carried_out(work, asked, shard, fetch, doing)
        except _RefusedError as error:
            return self.gate.refusal(work, error.refused)
        except (CancelledError, SessionEndedError):
            raise
        except ShardRejectedError as error:
            return self._failed(work, asked, None, failures.of_request(error), error)
        except Exception as error:
            return self._failed(work, asked, shard, failures.of_error(error), error)
        finally:
            self._current = ""

    def _failed(
        self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard | None, failure: Failure, error: Exception
    ) -> Finished:
        unexpected = failure.kind is FailureClass.INTERNAL
        _LOG.error(
            "the work failed",
            work=bounded(work.work_id, LONGEST_NAME),
            label=bounded(work.label, LONGEST_NAME),
            failure=failure.kind.label,
            error=str(error),
            exc_info=error if unexpected else None,
        )
        return self.gate.failure(work, asked, shard, failure)

    def close(self) -> None:
        """Frees the memory of fetched values."""
        self._blobs.close()

    def _shard(self, work: pb.Work, fetch: Fetch) -> shard_pb2.Shard:
        """Returns the verified shard. Makes room for what the work needs."""
        fetched = [blob for blob in blobs_of(work) if not blob.HasField("inline")]
        check_size(sum(blob.size for blob in fetched))
        self._blobs.make_room({digests.named(blob.digest) for blob in fetched})
        return self._computations.shard(work.shard, self._label(work), self._inputs(work), fetch)

    def _carried_out(
        self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard, fetch: Fetch, doing: Doing
    ) -> Finished:
        if (len(work.broadcasts), len(work.client_inputs)) != (len(shard.broadcasts), len(shard.client_inputs)):
            raise WorkFailedError(Failure(FailureClass.WORK_INVALID), "the work has another number of values")
        for attempt in range(1, _ATTEMPTS + 1):
            if self._cancelled.is_set():
                raise CancelledError
            try:
                return self._attempted(work, asked, shard, fetch, doing)
            except RunnerLostError as error:
                _LOG.warning("the runner was lost", work=work.work_id, attempt=attempt, reason=str(error))
        raise WorkFailedError(Failure(FailureClass.RUNNER_DIED, ran=True))

    def _attempted(self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard, fetch: Fetch, doing: Doing) -> Finished:
        doing("loading")
        # The decision about the offer may be outdated, so decide again before running.
        consent = self._computations.consent(work.shard, self._label(work), self._inputs(work), fetch)
        self._decide(work, asked, _decision(consent))
        selected = [
            self._selected(work, asked, *pair) for pair in zip(work.client_inputs, shard.client_inputs, strict=True)
        ]
        counts = [len(selection.clients) for selection in selected if selection]
        if counts:
            self._decide(work, asked, policies.on_clients(self._silo.policy, self._silo.silo, min(counts)))
        self._count(work, asked, min(counts, default=None))
        if counts and max(counts) == 0:
            return self.gate.nothing(work, asked)
        if len(set(counts)) > 1:
            raise WorkFailedError(Failure(FailureClass.INPUT_MISMATCH))
        inputs = Inputs()
        doing("fetching")
        broadcasts = [self._piece(blob, inputs, fetch) for blob in work.broadcasts]
        client_inputs = [
            self._selection(selection, inputs) if selection else self._piece(source.values, inputs, fetch)
            for selection, source in zip(selected, work.client_inputs, strict=True)
        ]
        digest = digests.named(work.shard.digest)
        request = messages.Run(digest=digest, broadcasts=broadcasts, client_inputs=client_inputs, clients=work.clients.given)
        doing("running")
        ran = self._run(request, inputs, counts[0] if counts else None)
        if ran is None:
            return self.gate.nothing(work, asked)
        try:
            # An administrator may have denied the computation while it ran.
            consent = self._computations.still_allowed(work.shard, self._label(work), self._inputs(work), fetch)
            self._decide(work, asked, _decision(consent))
        except BaseException:
            os.close(ran.memory)
            raise
        device = device_name(ran.device, self._device_note)
        return self.gate.result(work, asked, shard.accumulators, ran.memory, ran.clients, ran.seconds, device)

    def _run(self, request: messages.Run, inputs: Inputs, clients: int | None) -> _Ran | None:
        """Runs a shard. Returns None if there were no clients: then the accumulators may not be neutral.

        Args:
            request: The request for the runner.
            inputs: The values.
            clients: The number of local clients, if the silo selected them.
        """
        memory = shared_memory.create("accumulators")
        started = time.monotonic()
        try:
            with inputs as descriptors:
                ran = self._limited_run(request, [*descriptors, memory])
            if clients is not None and ran.clients != clients:
                raise WorkFailedError(
                    Failure(FailureClass.RESULT_MISMATCH, ran=True),
                    f"the runner reports {ran.clients} clients, but the work has {clients}",
                )
        except BaseException:
            os.close(memory)
            raise
        if ran.clients == 0:
            os.close(memory)
            return None
        return _Ran(memory, ran.clients, time.monotonic() - started, ran.device)

    def _limited_run(self, request: messages.Run, descriptors: Sequence[int]) -> messages.Ran:
        """Runs a shard. Ends the runner when the silo's time for a work item is over."""
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            self._runner.shut_down()

        most = self._silo.policy.limits.run_seconds
        timer = threading.Timer(min(most, threading.TIMEOUT_MAX), end)
        timer.daemon = True
        timer.start()
        try:
            return self._runner.run(request, descriptors)
        except RunnerLostError:
            if overdue.is_set():
                late = Failure(FailureClass.DEADLINE_EXCEEDED, ran=True)
                raise WorkFailedError(late, f"the work ran longer than {most} s (policy.limits.runSeconds)") from None
            raise
        finally:
            timer.cancel()

    def _piece(self, blob: pb.Blob, inputs: Inputs, fetch: Fetch) -> messages.Piece:
        if blob.HasField("inline"):
            return inputs.small(blob.inline)
        return inputs.large(self._blobs.get(blob.digest, blob.size, fetch), blob.size)

    def _selected(
        self, work: pb.Work, asked: Digest, source: pb.ClientInput, wanted: shard_pb2.Leaf
    ) -> _Selected | None:
        """Selects the part of a dataset for a client input. Returns None if the program provides the values."""
        if not source.HasField("selection"):
            return None
        name, silo = source.selection.dataset, self._silo.silo
        self._decide(work, asked, policies.on_dataset(self._silo.policy, silo, self._silo.datasets, name))
        dataset = self._datasets.get(name)
        components = schema_check.positions(silo, name, dataset.schema, wanted)
        per_round = self._silo.datasets[name].clients_per_round
        clients = sample(dataset.clients, per_round, source.selection.seed, self._secret, self._silo.policy.min_clients)
        self._runner.load_data(name, dataset.memory)
        return _Selected(name, components, clients)

    def _selection(self, selected: _Selected, inputs: Inputs) -> messages.SelectedClients:
        clients = inputs.small(selected.clients.astype("<i8").tobytes())
        return messages.SelectedClients(dataset=selected.dataset, components=selected.components, clients=clients)

    def _decide(self, work: pb.Work, asked: Digest, decision: Decision) -> None:
        if isinstance(decision, Refused):
            refused = Refused(decision.rule, bounded(decision.message))
            self._record(work, asked, refused, None)
            raise _RefusedError(refused)

    def _count(self, work: pb.Work, asked: Digest, clients: int | None) -> None:
        """Decides whether the work may run, and counts it. Other processes of the silo wait meanwhile."""
        with self._audit.alone():
            usage, silo = self._ledger.usage(), self._silo
            decision = limits.on_run(silo.policy.limits, silo.silo, usage, self._job, datasets_of(work), asked)
            self._decide(work, asked, decision)
            self._record(work, asked, Allowed(), clients)

    def _record(self, work: pb.Work, asked: Digest, decision: Decision, clients: int | None) -> None:
        self._audit.record(
            "work",
            decision,
            work=bounded(work.work_id, LONGEST_NAME),
            label=self._label(work),
            shard=work.shard.digest.hex(),
            datasets=self._recorded(work),
            clients=clients,
            asked=asked,
        )

    def _label(self, work: pb.Work) -> str:
        return bounded(work.label, LONGEST_NAME)

    def _inputs(self, work: pb.Work) -> tuple[str, ...]:
        return recorded_inputs(inputs_of(work), self._silo.datasets)

    def _recorded(self, work: pb.Work) -> list[str]:
        return recorded_datasets(datasets_of(work), self._silo.datasets)


def _decision(consent: Consent) -> Decision:
    """Returns a consent as a decision. What waits for approval does not run."""
    return Refused(consent.rule, consent.message) if isinstance(consent, Awaiting) else consent
