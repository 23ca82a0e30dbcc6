"""Runs a work item: fetches its values, decides, and runs the shard. The outcome is always a report."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from fedjobs_common import digests
from fedjobs_common.errors import FedjobsError
from fedjobs_common.ids import Digest, JobUid
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.transfers.values import Array
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.consent import limits, policies
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consents import Awaiting, Consent, Consents
from fedjobs_worker.consent.data_reads import DataReads
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger
from fedjobs_worker.data import schema_check
from fedjobs_worker.data.dataset_loaders import Datasets
from fedjobs_worker.release import failures
from fedjobs_worker.release.failures import Failure, WorkFailedError
from fedjobs_worker.release.finished import Finished
from fedjobs_worker.release.gate import ReleaseGate
from fedjobs_worker.release.texts import LONGEST_NAME, LONGEST_TEXT, device_name
from fedjobs_worker.runner.client import RunnerClient, RunnerLostError
from fedjobs_worker.runner.inputs import Inputs
from fedjobs_worker.runner.sampling import sample
from fedjobs_worker.sessions import local_clients
from fedjobs_worker.sessions.blob_cache import BlobCache, check_size
from fedjobs_worker.sessions.computations import Computations, Fetch, ShardRejectedError
from fedjobs_worker.sessions.kept_values import KeptStage, KeptValues, check_clients
from fedjobs_worker.sessions.limited_runs import LimitedRuns
from fedjobs_worker.sessions.local_clients import LocalClients
from fedjobs_worker.sessions.work_items import (
    blobs_of,
    reads_of_offer,
    reads_of_work,
    recorded_datasets,
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
        self._runs = LimitedRuns(runner, silo.policy.limits.run_seconds)
        self._secret = secret
        self._device_note = device_note
        self._blobs = BlobCache()
        self._kept = KeptValues()
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
                datasets = reads_of_offer(offered, self._silo.datasets).datasets
                self._consents.refused(digests.named(offered.shard.digest), said, offered.label, datasets)
            except FedjobsError as error:  # a refusal reveals nothing, so it is sent even if the log is full
                _LOG.error("cannot record a refusal", code=error.code.label, error=error.public)
        return said

    def consent(self, offered: pb.OfferedShard, fetch: Fetch) -> Consent:
        """Decides about a shard that the coordinator offers.

        Raises:
            SessionEndedError: From `fetch`.
        """
        label = printable(offered.label, LONGEST_NAME)
        reads = reads_of_offer(offered, self._silo.datasets)
        lost = 0
        while True:
            try:
                accepted = limits.on_entries(self._silo.silo, self._ledger.usage(), self._job)
                if isinstance(accepted, Refused):
                    return accepted
                return self._computations.consent(offered.shard, label, reads, fetch, offered.scope)
            except ShardRejectedError as error:
                return Refused(error.code.label, error.public)
            except RunnerLostError as error:
                lost += 1
                _LOG.warning("the runner was lost", label=label, attempt=lost, reason=str(error))
                if lost == _ATTEMPTS:
                    return self._refusal_of(Failure(FailureClass.RUNNER_DIED))
            except SessionEndedError:
                raise
            except Exception as error:  # one that nobody expects must not end the session
                unexpected = None if isinstance(error, FedjobsError) else error
                _LOG.error("cannot decide about a computation", label=label, error=str(error), exc_info=unexpected)
                return self._refusal_of(failures.of_error(error))

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
        except CancelledError:
            self._record_cancelled(work, asked)
            raise
        except SessionEndedError:
            raise
        except ShardRejectedError as error:
            return self._failed(work, asked, None, failures.of_request(error), error)
        except Exception as error:
            return self._failed(work, asked, shard, failures.of_error(error), error)
        finally:
            self._current = ""

    def repeated(self, work: pb.Work, asked: Digest, finished: Finished, fetch: Fetch) -> Finished:
        """Returns the outcome for work that has finished before: the same, unless a person has denied it since.

        Args:
            work: The work item.
            asked: The digest of what it asks for.
            finished: Its outcome.
            fetch: Fetches the shard if it is no longer known.

        Raises:
            SessionEndedError: From `fetch`.
        """
        if not finished.report.HasField("result"):
            return finished
        try:
            self._decide(work, asked, finished.reads, self._still_allowed(work, finished.reads, fetch))
        except _RefusedError as error:
            return self.gate.refusal(work, error.refused)
        except SessionEndedError:
            raise
        except Exception as error:
            return self._failed(work, asked, None, failures.of_error(error), error)
        return finished

    def _still_allowed(self, work: pb.Work, reads: DataReads, fetch: Fetch) -> Decision:
        """Decides whether a result may leave. An administrator may have denied the computation while it ran."""
        return _decision(self._computations.still_allowed(work.shard, self._label(work), reads, fetch))

    def _record_cancelled(self, work: pb.Work, asked: Digest) -> None:
        """Records that work was cancelled after it was counted. If it is asked for again, it counts again."""
        if self._ledger.usage().of(self._job).last_work != asked:
            return
        about = {"work": printable(work.work_id, LONGEST_NAME), "shard": work.shard.digest.hex(), "asked": asked}
        try:
            self._audit.note("work", decision="cancelled", **about)
        except FedjobsError as error:  # then the log is full, and the job gets no more work
            _LOG.error("cannot record that work was cancelled", code=error.code.label, error=error.public)

    def _failed(
        self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard | None, failure: Failure, error: Exception
    ) -> Finished:
        unexpected = failure.kind is FailureClass.INTERNAL
        _LOG.error(
            "the work failed",
            work=printable(work.work_id, LONGEST_NAME),
            label=printable(work.label, LONGEST_NAME),
            failure=failure.kind.label,
            error=str(error),
            exc_info=error if unexpected else None,
        )
        return self.gate.failure(work, asked, shard, failure)

    def close(self) -> None:
        """Frees the memory of fetched and of kept values."""
        self._blobs.close()
        self._kept.close()

    def _shard(self, work: pb.Work, fetch: Fetch) -> shard_pb2.Shard:
        """Returns the verified shard. Makes room for what the work needs."""
        fetched = [blob for blob in blobs_of(work) if not blob.HasField("inline")]
        check_size(sum(blob.size for blob in fetched))
        self._blobs.make_room({digests.named(blob.digest) for blob in fetched})
        reads = reads_of_work(work, (), self._silo.datasets)
        return self._computations.shard(work.shard, self._label(work), reads, fetch)

    def _carried_out(
        self, work: pb.Work, asked: Digest, shard: shard_pb2.Shard, fetch: Fetch, doing: Doing
    ) -> Finished:
        if (len(work.broadcasts), len(work.client_inputs)) != (len(shard.broadcasts), len(shard.client_inputs)):
            raise WorkFailedError(Failure(FailureClass.WORK_INVALID), "the work has another number of values")
        self._kept.begin(work.invocation)
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
        kept = self._kept.sources(work, shard)
        reads = reads_of_work(work, tuple(each.datasets for each in kept), self._silo.datasets)
        # The decision about the offer may be outdated, so decide again before running.
        consent = self._computations.consent(work.shard, self._label(work), reads, fetch)
        self._decide(work, asked, reads, _decision(consent))
        clients = self._clients(work, asked, reads)
        check_clients(kept, clients.identity)
        selected = [
            self._selected(work, asked, reads, *pair)
            for pair in zip(work.client_inputs, shard.client_inputs, strict=True)
        ]
        counts = [clients.count, *(len(selection.clients) for selection in selected if selection)]
        if clients.of_silo:
            self._decide(work, asked, reads, policies.on_clients(self._silo.policy, self._silo.silo, min(counts)))
        self._count(work, asked, reads, min(counts) if clients.of_silo else None)
        if len(set(counts)) > 1:
            raise WorkFailedError(Failure(FailureClass.INPUT_MISMATCH))
        keeps = KeptStage(
            digests.named(work.shard.digest), tuple(shard.kept_outputs), clients.identity, reads.datasets, memory=-1
        )
        if clients.count == 0:
            self._keep(work, keeps, shared_memory.create("kept") if shard.kept_outputs else None)
            return replace(self.gate.nothing(work, asked), reads=reads)
        inputs = Inputs()
        doing("fetching")
        broadcasts = [self._piece(blob, inputs, fetch) for blob in work.broadcasts]
        client_inputs: list[messages.SelectedClients | messages.KeptClients | messages.Piece] = [
            self._selection(selection, inputs) if selection else self._piece(source.values, inputs, fetch)
            for selection, source in zip(selected, work.client_inputs, strict=True)
        ]
        client_inputs += [
            messages.KeptClients(
                values=inputs.large(source.memory, source.size), outputs=len(source.types), output=each.output
            )
            for source, each in zip(kept, shard.kept_inputs, strict=True)
        ]
        request = messages.Run(
            digest=digests.named(work.shard.digest),
            broadcasts=broadcasts,
            client_inputs=client_inputs,
            clients=clients.count,
        )
        doing("running")
        ran = self._runs.run(request, inputs, keeps=bool(shard.kept_outputs))
        try:
            self._decide(work, asked, reads, self._still_allowed(work, reads, fetch))
            self._keep(work, keeps, ran.take_kept())
        except BaseException:
            ran.close()
            raise
        device = device_name(ran.device, self._device_note)
        finished = self.gate.result(work, asked, shard.accumulators, ran.memory, clients.count, device)
        return replace(finished, reads=reads)

    def _clients(self, work: pb.Work, asked: Digest, reads: DataReads) -> LocalClients:
        """Returns the clients over which the work runs. The silo counts its own clients, whatever the graphs read."""
        if not work.clients.HasField("selection"):
            return local_clients.given(work, reads_data=bool(reads.datasets))
        clients = self._sampled(work, asked, reads, work.clients.selection)
        return local_clients.selected(work.clients.selection.dataset, clients)

    def _sampled(self, work: pb.Work, asked: Digest, reads: DataReads, selection: pb.Selection) -> Array:
        """Returns the indices of the clients of a selection."""
        name, silo = selection.dataset, self._silo.silo
        self._decide(work, asked, reads, policies.on_dataset(self._silo.policy, silo, self._silo.datasets, name))
        per_round = self._silo.datasets[name].clients_per_round
        clients = self._datasets.get(name).clients
        return sample(clients, per_round, selection.seed, self._secret, self._silo.policy.min_clients)

    def _keep(self, work: pb.Work, keeps: KeptStage, memory: int | None) -> None:
        if memory is not None:
            self._kept.put(work.stage, replace(keeps, memory=memory))

    def _piece(self, blob: pb.Blob, inputs: Inputs, fetch: Fetch) -> messages.Piece:
        if blob.HasField("inline"):
            return inputs.small(blob.inline)
        return inputs.large(self._blobs.get(blob.digest, blob.size, fetch), blob.size)

    def _selected(
        self, work: pb.Work, asked: Digest, reads: DataReads, source: pb.ClientInput, wanted: shard_pb2.Leaf
    ) -> _Selected | None:
        """Selects the part of a dataset for a client input. Returns None if the program provides the values."""
        if not source.HasField("selection"):
            return None
        name = source.selection.dataset
        clients = self._sampled(work, asked, reads, source.selection)
        dataset = self._datasets.get(name)
        components = schema_check.positions(self._silo.silo, name, dataset.schema, wanted)
        self._runner.load_data(name, dataset.memory)
        return _Selected(name, components, clients)

    def _selection(self, selected: _Selected, inputs: Inputs) -> messages.SelectedClients:
        clients = inputs.small(selected.clients.astype("<i8").tobytes())
        return messages.SelectedClients(dataset=selected.dataset, components=selected.components, clients=clients)

    def _decide(self, work: pb.Work, asked: Digest, reads: DataReads, decision: Decision) -> None:
        if isinstance(decision, Refused):
            refused = Refused(decision.rule, printable(decision.message, LONGEST_TEXT))
            self._record(work, asked, reads, refused, None)
            raise _RefusedError(refused)

    def _count(self, work: pb.Work, asked: Digest, reads: DataReads, clients: int | None) -> None:
        """Decides whether the work may run, and counts it. Other processes of the silo wait meanwhile."""
        with self._audit.alone():
            usage, silo = self._ledger.usage(), self._silo
            decision = limits.on_run(silo.policy.limits, silo.silo, usage, self._job, reads.datasets, asked)
            self._decide(work, asked, reads, decision)
            self._record(work, asked, reads, Allowed(), clients)

    def _record(self, work: pb.Work, asked: Digest, reads: DataReads, decision: Decision, clients: int | None) -> None:
        self._audit.record(
            "work",
            decision,
            work=printable(work.work_id, LONGEST_NAME),
            label=self._label(work),
            shard=work.shard.digest.hex(),
            datasets=recorded_datasets(reads.datasets, self._silo.datasets),
            clients=clients,
            asked=asked,
        )

    def _label(self, work: pb.Work) -> str:
        return printable(work.label, LONGEST_NAME)


def _decision(consent: Consent) -> Decision:
    """Returns a consent as a decision. What waits for approval does not run."""
    return Refused(consent.rule, consent.message) if isinstance(consent, Awaiting) else consent
