"""Carrying out one work item: fetch, decide, run. What comes out is a report, whatever happened."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog
from fedjobs_protocol import digests
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.ids import Digest
from fedjobs_protocol.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from google.protobuf.message import DecodeError

from fedjobs_worker import fits, messages, policies
from fedjobs_worker.audits import Audit
from fedjobs_worker.blob_cache import BlobCache
from fedjobs_worker.finished_works import Finished, FinishedWorks
from fedjobs_worker.inputs import Inputs
from fedjobs_worker.loading import Datasets
from fedjobs_worker.policies import Allowed, Decision, Refused
from fedjobs_worker.runner_client import RunnerClient, RunnerLostError
from fedjobs_worker.sampling import sample
from fedjobs_worker.silo_files import SiloFile

_MOST_SHARDS = 16  # remembered; a program has a handful
_ATTEMPTS = 3  # of a run whose runner dies; it may be the graph that kills it
_LOG = structlog.get_logger()

Fetch = Callable[[Download], object]
"""Goes on with a download until it is whole; raises SessionEndedError where that needs another session."""
Doing = Callable[[str], None]
"""Told what the silo is doing, in a word."""


class SessionEndedError(Exception):
    """The session or the link to the coordinator is gone; a new session may go on."""

    def __init__(self, cause: FedjobsError) -> None:
        super().__init__(cause.public)
        self.cause = cause


class CancelledError(Exception):
    """The work is not wanted any more."""


class _RefusedError(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


@dataclass(frozen=True)
class _Selected:
    """One client input from a dataset of the silo: which, which of its components, which clients (indices, int64)."""

    dataset: str
    components: list[int]
    clients: np.ndarray[tuple[int], np.dtype[np.int64]]


class Works:
    """Carries out work for one silo.

    Args:
        silo: Its file.
        audit: Where decisions are recorded.
        datasets: Its data.
        runner: Where shards run.
        finished: Gives memory for accumulators.
        device_note: Told beside the device that was used, such as why it is no GPU.
    """

    def __init__(
        self,
        silo: SiloFile,
        audit: Audit,
        datasets: Datasets,
        runner: RunnerClient,
        finished: FinishedWorks,
        device_note: str = "",
    ) -> None:
        self._silo = silo
        self._audit = audit
        self._datasets = datasets
        self._runner = runner
        self._finished = finished
        self._device_note = f" ({device_note})" if device_note else ""
        self._blobs = BlobCache()
        self._shards: dict[Digest, tuple[shard_pb2.Shard, bytes]] = {}
        self._current = ""
        self._cancelled = threading.Event()

    def cancel(self, work_id: str) -> None:
        """Ends a work item that is not wanted any more; may be called from another thread."""
        if work_id == self._current:
            self._cancelled.set()
            self._runner.shut_down()

    def carry_out(self, work: pb.Work, fetch: Fetch, doing: Doing) -> Finished:
        """Does what a work item asks for, or says why not.

        Raises:
            CancelledError: It is not wanted any more.
            SessionEndedError: From `fetch`.
        """
        self._current = work.work_id
        self._cancelled.clear()
        try:
            return self._carried_out(work, fetch, doing)
        except _RefusedError as error:
            refusal = pb.Refusal(rule=error.refused.rule, message=error.refused.message)
            return Finished(pb.Report(work_id=work.work_id, epoch=work.epoch, refusal=refusal))
        except FedjobsError as error:
            return self._failed(work, error)
        except (CancelledError, SessionEndedError):
            raise
        except Exception as error:
            _LOG.exception("work failed unexpectedly", work=work.work_id, label=work.label)
            unexpected = f"silo {self._silo.silo} failed unexpectedly with {type(error).__name__}."
            return self._failed(
                work, FedjobsError(ErrorCode.INTERNAL, unexpected, "The silo's own log has the details.")
            )
        finally:
            self._current = ""

    def _failed(self, work: pb.Work, error: FedjobsError) -> Finished:
        _LOG.error("work failed", work=work.work_id, label=work.label, code=error.code.label, error=error.public)
        failure = pb.Error(code=error.code.label, message=error.public, retryable=error.retryable)
        return Finished(pb.Report(work_id=work.work_id, epoch=work.epoch, failure=failure))

    def close(self) -> None:
        """Frees the memory of fetched values."""
        self._blobs.close()

    def _carried_out(self, work: pb.Work, fetch: Fetch, doing: Doing) -> Finished:
        doing("fetching")
        self._blobs.make_room({digests.named(blob.digest) for blob in blobs_of(work) if not blob.HasField("inline")})
        shard, serialized = self._shard(work.shard, fetch)
        if (len(work.broadcasts), len(work.client_inputs)) != (len(shard.broadcasts), len(shard.client_inputs)):
            raise FedjobsError(ErrorCode.SHARD_FAILED, "the work has another number of values than its shard takes.")
        for attempt in range(1, _ATTEMPTS + 1):
            if self._cancelled.is_set():
                raise CancelledError
            try:
                return self._attempted(work, shard, serialized, fetch, doing)
            except RunnerLostError as error:
                _LOG.warning("the runner was lost", work=work.work_id, attempt=attempt, reason=str(error))
        raise FedjobsError(
            ErrorCode.RUNNER_FAILED,
            f"the runner of silo {self._silo.silo} died {_ATTEMPTS} times in '{work.label}'.",
            "Look for the reason in the silo's log (not enough memory, for one).",
        )

    def _attempted(
        self, work: pb.Work, shard: shard_pb2.Shard, serialized: bytes, fetch: Fetch, doing: Doing
    ) -> Finished:
        doing("loading")
        digest = digests.named(work.shard.digest)
        operations = self._runner.operations(digest, serialized)
        self._decide(work, policies.on_operations(self._silo.policy, self._silo.silo, operations))
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
        return self._run(work, request, inputs)

    def _run(self, work: pb.Work, request: messages.Run, inputs: Inputs) -> Finished:
        memory = self._finished.memory()
        try:
            with inputs as descriptors:
                ran = self._runner.run(request, [*descriptors, memory])
        except BaseException:
            self._finished.recycle(memory)
            raise
        device = ran.device + self._device_note
        report = _report(work, pb.Result(clients=ran.clients, seconds=ran.seconds, device=device))
        if ran.clients == 0:  # a zero that is not neutral must not count
            self._finished.recycle(memory)
            return Finished(report)
        return Finished(report, memory, os.fstat(memory).st_size)

    def _shard(self, blob: pb.Blob, fetch: Fetch) -> tuple[shard_pb2.Shard, bytes]:
        """The shard of a work item, as message and as the bytes that the digest is of."""
        digest = digests.named(blob.digest)
        if digest not in self._shards:
            serialized = blob.inline
            if not blob.HasField("inline"):
                serialized = os.pread(self._blobs.get(blob.digest, blob.size, fetch), blob.size, 0)
            # The digest is what the silo's decisions are recorded under, so it is never taken on trust.
            if digests.digest(serialized) != digest:
                raise FedjobsError(ErrorCode.BLOB_CORRUPT, "the shard that came has another digest than was announced.")
            while len(self._shards) >= _MOST_SHARDS:
                del self._shards[next(iter(self._shards))]
            self._shards[digest] = _parsed(serialized), serialized
        return self._shards[digest]

    def _piece(self, blob: pb.Blob, inputs: Inputs, fetch: Fetch) -> messages.Piece:
        if blob.HasField("inline"):
            return inputs.small(blob.inline)
        return inputs.large(self._blobs.get(blob.digest, blob.size, fetch), blob.size)

    def _selected(self, work: pb.Work, source: pb.ClientInput, wanted: shard_pb2.Leaf) -> _Selected | None:
        """The part of a dataset that an input takes; None where the program itself gave the values."""
        if not source.HasField("selection"):
            return None
        name, silo = source.selection.dataset, self._silo.silo
        self._decide(work, policies.on_dataset(self._silo.policy, silo, self._silo.datasets, name))
        dataset = self._datasets.get(name)
        components = fits.positions(silo, name, dataset.schema, wanted)
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
            datasets=sorted({i.selection.dataset for i in work.client_inputs if i.HasField("selection")}),
            clients=clients,
        )


def _parsed(serialized: bytes) -> shard_pb2.Shard:
    try:
        return shard_pb2.Shard.FromString(serialized)
    except DecodeError as error:
        raise FedjobsError(ErrorCode.SHARD_FAILED, "the bytes received are not a shard.") from error


def blobs_of(work: pb.Work) -> list[pb.Blob]:
    """All that comes with a work item, or is to be fetched for it."""
    return [work.shard, *work.broadcasts, *(i.values for i in work.client_inputs if i.HasField("values"))]


def _report(work: pb.Work, result: pb.Result) -> pb.Report:
    return pb.Report(work_id=work.work_id, epoch=work.epoch, result=result)
