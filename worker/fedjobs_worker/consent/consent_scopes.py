"""What a consent covers: one frozen value, which an administrator approves and the session compares.

It says what a computation reads in this silo, what it sends, and which limits are in force. The silo creates it from
the verified shard, its own silo file and the datasets that the coordinator names. Equal scopes have the same digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_common.models import Model
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.consent.data_reads import DataReads
from fedjobs_worker.consent.graphs.flows import Holds, OutputFlow
from fedjobs_worker.consent.graphs.listings import shown_name
from fedjobs_worker.policy_files import Policy
from fedjobs_worker.silo_files import DatasetFile, SiloFile


class ScopeTensor(Model):
    """A tensor: its name in the shard, and the dtype and the shape that the shard declares."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None = None
    """-1 for a dimension that is not known before the run. None if the rank is not known."""


class ScopeColumns(Model):
    """A component of the examples of a dataset, and the columns of the files that it consists of."""

    tensor: ScopeTensor
    file_dtype: str = ""
    """The dtype in the silo file."""
    columns: tuple[str, ...] = ()
    """In the order of the silo file. Empty if the dataset has no such component."""


class ScopeInput(Model):
    """A client input of the shard."""

    name: str
    dataset: str = ""
    """The silo's dataset that it reads. Empty if the coordinator gives the value."""
    components: tuple[ScopeColumns, ...] = ()
    """What of the dataset reaches the graph."""
    clients: str = ""
    """The column that divides the rows into clients. Empty if the silo is one client."""
    clients_per_round: int | None = None


class ScopeClients(Model):
    """The clients over which the shard runs."""

    dataset: str = ""
    """The silo's dataset whose clients these are. Empty if the coordinator gives their number."""
    column: str = ""
    """The column that divides the rows into clients. Empty if the silo is one client."""
    clients_per_round: int | None = None


class ScopeKept(Model):
    """A value of each client that an earlier stage has kept in the silo."""

    name: str
    shard: str
    """The digest of the shard that computed it."""
    output: int
    """The number of the value among those that this shard keeps."""
    datasets: tuple[str, ...] = ()
    """The silo's datasets from which it was computed, sorted."""


class ScopeOutput(ScopeTensor):
    """A value that leaves the silo, with what the analysis of the graphs found (`graphs.flows`)."""

    holds: Holds = Holds.RECORDS
    """What it can hold of the records of a client."""
    added_over_clients: bool = False
    """Whether the values of several clients are added. If not, it can be the value of one client."""


class ScopeLimits(Model):
    """The limits of the silo file that are in force."""

    rounds_per_job: int | None = None
    runs_per_round: int = 1
    upload_bytes_per_job: int | None = None
    upload_bytes_per_day: int | None = None
    min_clients: int = 1


class ConsentScope(Model):
    """What a consent covers."""

    computation: str
    """The digest of the shard."""
    inputs: tuple[ScopeInput, ...] = ()
    over: ScopeClients = ScopeClients()
    kept: tuple[ScopeKept, ...] = ()
    outputs: tuple[ScopeOutput, ...] = ()
    """The values that leave the silo, in their order."""
    limits: ScopeLimits = ScopeLimits()

    @property
    def digest(self) -> Digest:
        """The digest of the canonical JSON."""
        return digests.digest(canonical(self).encode())

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the datasets that are read, sorted."""
        names = {self.over.dataset, *(each.dataset for each in self.inputs)}
        return tuple(sorted(names.union(*(each.datasets for each in self.kept)) - {""}))


Part = Literal[
    "the computation", "the dataset", "the columns", "the clients", "the kept values", "the outputs", "the limits"
]


def scope_of(
    digest: Digest, shard: shard_pb2.Shard, reads: DataReads, silo: SiloFile, flows: Sequence[OutputFlow] = ()
) -> ConsentScope:
    """Returns the scope of a computation in this silo.

    Args:
        digest: The shard's digest.
        shard: The shard.
        reads: The silo's datasets that the shard reads.
        silo: The silo file.
        flows: What reaches each output. An output that is not analysed can hold anything.
    """
    given = [*reads.inputs, *[""] * len(shard.client_inputs)]
    kept = [*reads.kept, *[()] * len(shard.kept_inputs)]
    over = silo.datasets.get(reads.clients)
    return ConsentScope(
        computation=digest,
        inputs=tuple(
            _input(number, leaf, dataset, silo.datasets.get(dataset))
            for number, (leaf, dataset) in enumerate(zip(shard.client_inputs, given, strict=False))
        ),
        over=ScopeClients(
            dataset=reads.clients,
            column=over.clients.column if over and over.clients else "",
            clients_per_round=over.clients_per_round if over else None,
        ),
        kept=tuple(
            ScopeKept(
                name=_named(each.type.name, number), shard=each.shard.hex(), output=each.output, datasets=datasets
            )
            for number, (each, datasets) in enumerate(zip(shard.kept_inputs, kept, strict=False))
        ),
        outputs=tuple(
            _output(_tensor(_named(leaf.name, n), leaf.tensor), flows[n] if n < len(flows) else None)
            for n, leaf in enumerate(shard.accumulators)
        ),
        limits=limits_of(silo.policy),
    )


def limits_of(policy: Policy) -> ScopeLimits:
    """Returns the limits that a consent covers."""
    limits = policy.limits
    return ScopeLimits(
        rounds_per_job=limits.rounds_per_job,
        runs_per_round=limits.runs_per_round,
        upload_bytes_per_job=limits.upload_bytes_per_job,
        upload_bytes_per_day=limits.upload_bytes_per_day,
        min_clients=policy.min_clients,
    )


def canonical(scope: ConsentScope) -> str:
    """Returns the scope as JSON. Equal scopes have equal texts."""
    content = scope.model_dump(by_alias=True, mode="json")
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def differences(approved: ConsentScope, now: ConsentScope) -> dict[Part, list[str]]:
    """Returns what differs, by part. Each text names a field with its approved and its current value.

    The texts contain names of the silo's columns. So they are for the silo's people only. The coordinator gets the
    names of the parts.
    """
    found: dict[Part, list[str]] = {}
    before, after = dict(_flat(approved)), dict(_flat(now))
    for part, field in dict.fromkeys([*before, *after]):
        one, other = before.get((part, field), "nothing"), after.get((part, field), "nothing")
        if one != other:
            found.setdefault(part, []).append(f"{field}: approved {one}, now {other}")
    return found


def described(tensor: ScopeTensor) -> str:
    """Returns the type of a tensor as text, such as `float32[?, 64]`."""
    if tensor.shape is None:
        return f"{tensor.dtype}[...]"
    sizes = ", ".join("?" if size < 0 else str(size) for size in tensor.shape)
    return f"{tensor.dtype}[{sizes}]" if sizes else tensor.dtype


def _flat(scope: ConsentScope) -> Iterator[tuple[tuple[Part, str], str]]:
    yield ("the computation", "digest"), scope.computation
    for one in scope.inputs:
        yield ("the dataset", f"dataset of {one.name}"), one.dataset or "a value of the coordinator"
        for component in one.components:
            name = f"{one.name}/{shown_name(component.tensor.name)}"
            yield ("the columns", f"type of {name}"), described(component.tensor)
            yield ("the columns", f"columns of {name}"), _columns(component)
        yield ("the clients", f"column of clients of {one.name}"), one.clients or "none (the silo is one client)"
        yield ("the clients", f"clientsPerRound of {one.name}"), _limit(one.clients_per_round)
    yield ("the clients", "dataset of the clients"), scope.over.dataset or "a number of the coordinator"
    yield ("the clients", "column of clients"), scope.over.column or "none (the silo is one client)"
    yield ("the clients", "clientsPerRound"), _limit(scope.over.clients_per_round)
    for kept in scope.kept:
        yield ("the kept values", f"source of {kept.name}"), f"value {kept.output} of the computation {kept.shard}"
        yield ("the kept values", f"datasets of {kept.name}"), ", ".join(kept.datasets) or "none"
    for output in scope.outputs:
        over = "added over the clients" if output.added_over_clients else "not added over the clients"
        yield ("the outputs", output.name), f"{described(output)}, {output.holds.value}, {over}"
    yield ("the outputs", "number"), str(len(scope.outputs))
    limits: dict[str, Any] = scope.limits.model_dump(by_alias=True)
    for name, value in limits.items():
        yield ("the limits", name), _limit(value)


def _columns(component: ScopeColumns) -> str:
    return f"{', '.join(component.columns)} as {component.file_dtype}" if component.columns else "no columns"


def _limit(value: int | None) -> str:
    return "no limit" if value is None else str(value)


def _input(number: int, leaf: shard_pb2.Leaf, dataset: str, file: DatasetFile | None) -> ScopeInput:
    name = _named(leaf.name, number)
    parts = leaf.sequence.components if leaf.HasField("sequence") else ()
    of_file = _columns_of(file) if file else {}
    components = []
    for part in parts:
        columns, dtype = of_file.get(part.name, ([], ""))
        components.append(
            ScopeColumns(tensor=_tensor(part.name, part.tensor), file_dtype=dtype, columns=tuple(columns))
        )
    return ScopeInput(
        name=name,
        dataset=dataset,
        components=tuple(components),
        clients=file.clients.column if file and file.clients else "",
        clients_per_round=file.clients_per_round if file else None,
    )


def _columns_of(file: DatasetFile) -> dict[str, tuple[list[str], str]]:
    """Returns the columns and the dtype of each component, by the name that the examples have (see `data.datasets`)."""
    found: dict[str, tuple[list[str], str]] = {}
    if file.features.spec is not None:
        for name, spec in file.features.spec.items():
            columns = [spec.column] if spec.column is not None else list(spec.columns or [])
            found[f"x/{name}"] = columns, spec.dtype
    else:
        found["x"] = list(file.features.columns or []), file.features.dtype
    if file.label:
        found["y"] = [file.label.column], file.label.dtype
    return found


def _tensor(name: str, tensor: shard_pb2.Tensor) -> ScopeTensor:
    return ScopeTensor(name=name, dtype=tensor.dtype, shape=None if tensor.unknown_rank else tuple(tensor.shape))


def _output(tensor: ScopeTensor, flow: OutputFlow | None) -> ScopeOutput:
    return ScopeOutput(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        holds=flow.holds if flow else Holds.RECORDS,
        added_over_clients=flow is not None and flow.added_over_clients,
    )


def _named(name: str, number: int) -> str:
    return shown_name(name) or f"value {number}"
