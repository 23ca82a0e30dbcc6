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
from fedjobs_coordinator.sessions.consents import Offered, scope_of
from fedjobs_coordinator.sessions.sessions import INLINE_LIMIT

Blobs = dict[bytes, StoredBlob]


class WorkBuilder:
    """Builds the assignments of one stage.

    Args:
        silos: The silos of the job.
        stage: The stage of a plan.
        label: The name of the computation, for people.
    """

    def __init__(self, silos: Silos, stage: Stage, label: str) -> None:
        self._silos = silos
        self._stage = stage
        self._label = label

    def assignments(
        self, environment: Mapping[str, Any], clients: Clients, cohort: Sequence[SiloName], generation: int
    ) -> list[Assignment]:
        """Returns an assignment for each silo of the cohort that has clients.

        Args:
            environment: The values of the coordinator's leaves, by name.
            clients: For each client input, a SiloData or a list with the leaf's value of each client.
            cohort: The names of the silos. A list of clients is divided among them in order.
            generation: The coordinator's generation.
        """
        blobs: Blobs = {}
        shard = self._bytes(self._stage.shard, blobs)
        broadcasts = [self._leaf(environment[name], blobs) for name in self._stage.broadcasts]
        down = [Digest(b.digest.hex()) for b in broadcasts]
        selections = repr([_selection(clients[c]) for c in self._stage.client_inputs])
        occurrence = self._silos.identities.next_occurrence(self._stage.digest, down, selections)
        outcomes = RoundOutcomes()
        result = []
        for number, silo in enumerate(cohort):
            own: Blobs = dict(blobs)
            inputs = self._client_inputs(clients, number, len(cohort), own)
            if inputs is None:
                continue
            work_id = self._silos.identities.work_id(self._stage.digest, down, inputs, silo, occurrence)
            work = pb.Work(
                work_id=work_id,
                generation=generation,
                label=self._label,
                shard=shard,
                broadcasts=broadcasts,
                client_inputs=inputs,
                clients=1,
            )
            largest = largest_frame(self._stage.accumulators)
            result.append(Assignment(silo, work_id, work, own, self._stage.accumulators, largest, outcomes))
        return result

    def offered(self, clients: Clients) -> Offered:
        """Returns the offer of the stage's shard, which silos get before work."""
        blobs: Blobs = {}
        shard = self._bytes(self._stage.shard, blobs)
        offer = pb.OfferedShard(shard=shard, label=self._label, datasets=self._datasets(clients))
        return Offered(offer, next(iter(blobs.values()), None))

    def scope(self, clients: Clients) -> Digest:
        """Returns the scope of that offer."""
        return scope_of(self._stage.digest, self._datasets(clients))

    def _datasets(self, clients: Clients) -> list[str]:
        selections = [_selection(clients[source]) for source in self._stage.client_inputs]
        return [selection.dataset if selection is not None else "" for selection in selections]

    def _client_inputs(self, clients: Clients, number: int, count: int, blobs: Blobs) -> list[pb.ClientInput] | None:
        """Returns the client inputs of a silo. None if it has no clients."""
        inputs = []
        for source in self._stage.client_inputs:
            values = clients[source]
            if isinstance(values, SiloData):
                inputs.append(pb.ClientInput(selection=pb.Selection(dataset=values.dataset, seed=values.seed)))
                continue
            dealt = _dealt(values, number, count)
            if not dealt:
                return None
            inputs.append(pb.ClientInput(values=self._frame(dealt, blobs)))
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


def _dealt(values: Sequence[Any], number: int, count: int) -> Sequence[Any]:
    """Returns the contiguous part of a list for silo `number` of `count`. The first parts may be longer by one."""
    share, rest = divmod(len(values), count)
    start = number * share + min(number, rest)
    return values[start : start + share + (number < rest)]
