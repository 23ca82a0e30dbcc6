"""Builds the work items of a stage, one for each silo, from the coordinator's values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
from fedjobs_coordinator.sessions.work_identities import InvocationId

INLINE_BUDGET = 1 << 20
"""The maximum bytes of values inside one message of work. A message with more than 16 MiB would not arrive."""

Blobs = dict[bytes, StoredBlob]


class WorkBuilder:
    """Builds the assignments of one invocation.

    Args:
        silos: The silos of the job.
        stages: The stages of the plan.
        clients: The clients and their values.
        label: The name of the computation, for people.
    """

    def __init__(self, silos: Silos, stages: Sequence[Stage], clients: Clients, label: str) -> None:
        self._silos = silos
        self._stages = stages
        self._clients = clients
        self._label = label
        self._keeps = any(stage.kept_outputs for stage in stages)

    @property
    def shards(self) -> tuple[Digest, ...]:
        """The digests of the shards of all stages."""
        return tuple(dict.fromkeys(stage.digest for stage in self._stages))

    @property
    def scopes(self) -> tuple[Digest, ...]:
        """The scopes of the offers of all stages."""
        return tuple(scope_of(stage.digest, self._reads(number)) for number, stage in enumerate(self._stages))

    def next_invocation(self, environment: Mapping[str, Any]) -> InvocationId:
        """Returns the identity of the invocation.

        Args:
            environment: The values of the coordinator's leaves before the first stage, by name.
        """
        inputs: list[Digest] = []
        for stage in self._stages[:1]:
            blobs = [self._leaf(environment[name], {}, _Budget()) for name in stage.broadcasts]
            inputs = [Digest(blob.digest.hex()) for blob in blobs]
        sources = [source for stage in self._stages for source in stage.client_inputs]
        selections = repr([self._clients.number, *(_selection(self._clients.inputs[source]) for source in sources)])
        return self._silos.identities.next_invocation(self.shards, inputs, selections)

    def assignments(
        self,
        number: int,
        environment: Mapping[str, Any],
        cohort: Sequence[SiloName],
        invocation: InvocationId,
        attempt: int,
        members: Collection[SiloName] | None = None,
    ) -> list[Assignment]:
        """Returns an assignment for each silo that has clients.

        Args:
            number: The number of the stage.
            environment: The values of the coordinator's leaves, by name.
            cohort: The silos of the invocation. A list of clients is divided among them in order, the same in each
                stage.
            invocation: The invocation.
            attempt: The number of the attempt of the invocation, starting at 1.
            members: The silos of the cohort that take part in this stage. None for all.
        """
        stage, blobs, budget = self._stages[number], Blobs(), _Budget()
        # Values that silos keep belong to one attempt, whose stages run over one cohort. Without them, a later attempt
        # uses the reports of an earlier one.
        token = invocation.of_attempt(attempt) if self._keeps else invocation.text
        shard = self._bytes(stage.shard, blobs, budget)
        broadcasts = [self._leaf(environment[name], blobs, budget) for name in stage.broadcasts]
        down = [Digest(blob.digest.hex()) for blob in broadcasts]
        largest = largest_frame(stage.accumulators)
        outcomes = RoundOutcomes()
        result = []
        for position, silo in enumerate(cohort):
            counted = _counted(self._clients.number, position, len(cohort))
            if (members is not None and silo not in members) or not (counted.HasField("selection") or counted.given):
                continue
            own = Blobs(blobs)
            inputs = self._client_inputs(stage, position, len(cohort), own, budget.copy())
            work_id = self._silos.identities.work_id(token, number, stage.digest, down, inputs, counted, silo)
            work = pb.Work(
                work_id=work_id,
                generation=self._silos.generation,
                label=self._label,
                shard=shard,
                broadcasts=broadcasts,
                client_inputs=inputs,
                clients=counted,
                invocation=token if self._keeps else "",
                stage=number,
                kept_stages=[kept.stage for kept in stage.kept_inputs],
            )
            result.append(
                Assignment(silo, work_id, work, own, stage.accumulators, largest, outcomes, invocation.number)
            )
        return result

    def offers(self) -> list[Offered]:
        """Returns the offers of all shards, which silos get before the first work."""
        return [self._offered(number) for number in range(len(self._stages))]

    def _offered(self, number: int) -> Offered:
        blobs, message = Blobs(), self._reads(number)
        message.shard.CopyFrom(self._bytes(self._stages[number].shard, blobs, _Budget()))
        message.label, message.scope = self._label, self.scopes[number]
        return Offered(message, next(iter(blobs.values()), None))

    def _reads(self, number: int) -> pb.OfferedShard:
        """Returns the part of an offer that says what the shard reads."""
        stage = self._stages[number]
        return pb.OfferedShard(
            datasets=[_dataset(self._clients.inputs[source]) for source in stage.client_inputs],
            clients=_dataset(self._clients.number),
            kept=[
                pb.KeptDatasets(datasets=sorted(_datasets(self._stages, kept.stage, self._clients)))
                for kept in stage.kept_inputs
            ],
        )

    def _client_inputs(
        self, stage: Stage, position: int, count: int, blobs: Blobs, budget: _Budget
    ) -> list[pb.ClientInput]:
        """Returns the client inputs of a silo."""
        inputs = []
        for source in stage.client_inputs:
            values = self._clients.inputs[source]
            if isinstance(values, SiloData):
                inputs.append(pb.ClientInput(selection=pb.Selection(dataset=values.dataset, seed=values.seed)))
                continue
            inputs.append(pb.ClientInput(values=self._frame(_dealt(values, position, count), blobs, budget)))
        return inputs

    def _leaf(self, leaf: Any, blobs: Blobs, budget: _Budget) -> pb.Blob:
        if stored := blob_of(leaf):
            return _stored(stored, blobs)
        return self._frame([leaf], blobs, budget)

    def _frame(self, leaves: Sequence[Any], blobs: Blobs, budget: _Budget) -> pb.Blob:
        framed = frame(leaves)
        if budget.takes(framed.size):
            return _inline(framed.tobytes())
        return _stored(self._silos.store.put(framed), blobs)

    def _bytes(self, content: bytes, blobs: Blobs, budget: _Budget) -> pb.Blob:
        if budget.takes(len(content)):
            return _inline(content)
        return _stored(_store_bytes(self._silos.store, content), blobs)


@dataclass
class _Budget:
    """The bytes that still fit into the message of one work item."""

    left: int = INLINE_BUDGET

    def takes(self, size: int) -> bool:
        """Returns whether a value travels in the message, and counts it."""
        if size > min(self.left, INLINE_LIMIT):
            return False
        self.left -= size
        return True

    def copy(self) -> _Budget:
        """Returns the budget of one silo's message after the values for all silos."""
        return _Budget(self.left)


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
