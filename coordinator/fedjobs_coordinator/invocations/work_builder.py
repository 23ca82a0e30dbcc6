"""Builds the work items of a stage, one for each silo, from the coordinator's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedjobs_common import digests
from fedjobs_common.ids import Digest, SiloName
from fedjobs_compute.plans import Stage
from fedjobs_protocol.transfers.declared_sizes import largest_frame
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_coordinator.aggregation.blob_store import BlobStore, StoredBlob, blob_of
from fedjobs_coordinator.aggregation.outcomes import RoundOutcomes
from fedjobs_coordinator.invocations.bindings import Clients
from fedjobs_coordinator.invocations.silo_references import SiloData
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.sessions import INLINE_LIMIT

Blobs = dict[bytes, StoredBlob]


class WorkBuilder:
    """Builds the assignments of one stage.

    Args:
        silos: The silos of the job.
        stages: The stages of a plan.
        number: The number of the stage.
        label: The name of the computation, for people.
    """

    def __init__(self, silos: Silos, stages: Sequence[Stage], number: int, label: str) -> None:
        self._silos = silos
        self._stages = stages
        self._number = number
        self._stage = stages[number]
        self._label = label

    def assignments(
        self,
        environment: Mapping[str, Any],
        clients: Clients,
        cohort: Sequence[SiloName],
        generation: int,
        invocation: str = "",
    ) -> list[Assignment]:
        """Returns an assignment for each silo of the cohort that has clients.

        Args:
            environment: The values of the coordinator's leaves, by name.
            clients: The clients and their values.
            cohort: The names of the silos. A list of clients is divided among them in order.
            generation: The coordinator's generation.
            invocation: Identifies the invocation for values that silos keep between its stages.
        """
        blobs: Blobs = {}
        shard = self._bytes(self._stage.shard, blobs)
        broadcasts = [self._leaf(environment[name], blobs) for name in self._stage.broadcasts]
        down = [Digest(b.digest.hex()) for b in broadcasts]
        selections = repr([clients.number, *(_selection(clients.inputs[c]) for c in self._stage.client_inputs)])
        occurrence = self._silos.identities.next_occurrence(self._stage.digest, down, selections)
        outcomes = RoundOutcomes()
        result = []
        for number, silo in enumerate(cohort):
            own: Blobs = dict(blobs)
            counted = _counted(clients.number, number, len(cohort))
            if not counted.HasField("selection") and not counted.given:
                continue
            inputs = self._client_inputs(clients, number, len(cohort), own)
            work_id = self._silos.identities.work_id(
                self._stage.digest, down, inputs, silo, occurrence, counted, invocation
            )
            work = pb.Work(
                work_id=work_id,
                generation=generation,
                label=self._label,
                shard=shard,
                broadcasts=broadcasts,
                client_inputs=inputs,
                clients=counted,
                invocation=invocation,
                stage=self._number,
                kept_stages=[kept.stage for kept in self._stage.kept_inputs],
            )
            largest = largest_frame(self._stage.accumulators)
            result.append(Assignment(silo, work_id, work, own, self._stage.accumulators, largest, outcomes))
        return result

    def offered(self, clients: Clients) -> Offered:
        """Returns the offer of the stage's shard, which silos get before work."""
        blobs: Blobs = {}
        shard = self._bytes(self._stage.shard, blobs)
        message = pb.OfferedShard(
            shard=shard,
            label=self._label,
            datasets=[_dataset(clients.inputs[source]) for source in self._stage.client_inputs],
            clients=_dataset(clients.number),
            kept=[
                pb.KeptDatasets(datasets=sorted(_datasets(self._stages, kept.stage, clients)))
                for kept in self._stage.kept_inputs
            ],
        )
        return Offered(message, next(iter(blobs.values()), None))

    def _client_inputs(self, clients: Clients, number: int, count: int, blobs: Blobs) -> list[pb.ClientInput]:
        """Returns the client inputs of a silo."""
        inputs = []
        for source in self._stage.client_inputs:
            values = clients.inputs[source]
            if isinstance(values, SiloData):
                inputs.append(pb.ClientInput(selection=pb.Selection(dataset=values.dataset, seed=values.seed)))
                continue
            inputs.append(pb.ClientInput(values=self._frame(_dealt(values, number, count), blobs)))
        return inputs

    def _leaf(self, leaf: Any, blobs: Blobs) -> pb.Blob:
        if stored := blob_of(leaf):
            return _stored(stored, blobs)
        return self._frame([leaf], blobs)

    def _frame(self, leaves: Sequence[Any], blobs: Blobs) -> pb.Blob:
        framed = frame(leaves)
        if framed.size > INLINE_LIMIT:
            return _stored(self._silos.store.put(framed), blobs)
        return _inline(framed.tobytes())

    def _bytes(self, content: bytes, blobs: Blobs) -> pb.Blob:
        if len(content) <= INLINE_LIMIT:
            return _inline(content)
        return _stored(_store_bytes(self._silos.store, content), blobs)


def _inline(content: bytes) -> pb.Blob:
    return pb.Blob(digest=digests.raw(digests.digest(content)), size=len(content), inline=content)


def _stored(blob: StoredBlob, blobs: Blobs) -> pb.Blob:
    raw = digests.raw(blob.digest)
    blobs[raw] = blob
    return pb.Blob(digest=raw, size=blob.size)


def _store_bytes(store: BlobStore, content: bytes) -> StoredBlob:
    writer = store.writer()
    writer.write(content)
    return writer.finish()


def _selection(values: SiloData | Sequence[Any]) -> SiloData | None:
    return values if isinstance(values, SiloData) else None


def _dataset(values: SiloData | Sequence[Any] | int) -> str:
    """Returns the silos' dataset. Empty for values and numbers of the program."""
    return values.dataset if isinstance(values, SiloData) else ""


def _datasets(stages: Sequence[Stage], number: int, clients: Clients) -> set[str]:
    """Returns the silos' datasets that a stage reads, itself or through kept values."""
    stage = stages[number]
    own = {_dataset(clients.number), *(_dataset(clients.inputs[source]) for source in stage.client_inputs)}
    return own.union(*(_datasets(stages, kept.stage, clients) for kept in stage.kept_inputs)) - {""}


def _counted(number: SiloData | int, silo: int, count: int) -> pb.Clients:
    """Returns the clients of silo number `silo` of `count`."""
    if isinstance(number, SiloData):
        return pb.Clients(selection=pb.Selection(dataset=number.dataset, seed=number.seed))
    start, end = _share(number, silo, count)
    return pb.Clients(given=end - start)


def _dealt(values: Sequence[Any], silo: int, count: int) -> Sequence[Any]:
    """Returns the contiguous part of a list for silo number `silo` of `count`."""
    start, end = _share(len(values), silo, count)
    return values[start:end]


def _share(clients: int, silo: int, count: int) -> tuple[int, int]:
    """Returns the first client of a silo, and the one after its last. The first silos may have one client more."""
    share, rest = divmod(clients, count)
    start = silo * share + min(silo, rest)
    return start, start + share + (silo < rest)
