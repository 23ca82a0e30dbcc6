"""Explains a computation to the administrator who approves it: what the silo receives, reads, runs and sends."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from fedjobs_common.ids import Digest
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.consent.approvals import Approval
from fedjobs_worker.consent.consent_scopes import ConsentScope, described, differences
from fedjobs_worker.consent.graphs.flows import Holds, OutputFlow
from fedjobs_worker.consent.graphs.listings import leaf_names, shown_name
from fedjobs_worker.policy_files import Policy

_NAMED = 12  # maximum number of leaves in a section
_WIDTH = 100
_LONGEST = 400  # maximum number of characters in a line
_BYTES = {"float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2, "float32": 4, "int32": 4, "uint32": 4, "float64": 8,
          "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16, "bool": 1, "int8": 1, "uint8": 1}  # fmt: skip


def explain(
    digest: Digest,
    shard: shard_pb2.Shard,
    operations: Collection[str],
    *,
    label: str = "",
    datasets: Collection[str] = (),
    policy: Policy | None = None,
    scope: ConsentScope | None = None,
    approvals: Sequence[Approval] = (),
    flows: Sequence[OutputFlow] | None = None,
    graph: Sequence[str] = (),
) -> str:
    """Returns the explanation as several lines of text.

    Args:
        digest: The digest of the shard, by which it is approved.
        shard: The computation.
        operations: All TensorFlow operations in the computation.
        label: The coordinator's name for the computation.
        datasets: The names of the datasets that the computation reads.
        policy: If given, the text also says what the silo enforces and what it takes on trust.
        scope: If given, the text also says what an approval covers.
        approvals: Earlier approvals of the same digest. The text says why they do not cover `scope`.
        flows: If given, the text also says which inputs reach which output, with warnings.
        graph: The lines of the graphs (`graphs.listings`).
    """
    lines = [f"computation {digest}" + (f" ({label})" if label else "")]
    lines += _section("receives", _leaves(shard.broadcasts), _size(shard.broadcasts))
    lines += _section(f"reads {', '.join(datasets)}".strip(), _leaves(shard.client_inputs), "for each local client")
    if shard.kept_inputs:
        kept = [each.type for each in shard.kept_inputs]
        sources = sorted({each.shard.hex()[:12] for each in shard.kept_inputs})
        lines += _section("reads again", _leaves(kept), f"of each client, kept by {', '.join(sources)}")
    lines += _section("runs", _wrapped(sorted(operations)), f"{len(operations)} kinds of TensorFlow operations")
    lines += _section(
        "sends", _leaves(shard.accumulators), f"{_size(shard.accumulators)}, accumulated over the local clients"
    )
    if shard.kept_outputs:
        lines += _section("keeps in the silo", _leaves(shard.kept_outputs), "of each client, for later stages")
    if flows is not None:
        lines += _section("data flow", list(flowing(flows)), "which inputs can reach which output")
    if graph:
        lines += _section("graphs", graph, "the name of each operation, and its inputs")
    if scope is not None:
        lines += _section("an approval covers", covered(scope), f"scope {scope.digest}")
        lines += _earlier(scope, approvals)
    if policy is not None:
        lines += _section("enforced by the silo", enforced(policy), "")
        lines += _section("taken on trust from the coordinator", believed(policy), "")
    # The author of a shard chooses the names in it. They must not add lines or control the terminal.
    return "".join(f"{printable(line, _LONGEST)}\n" for line in lines)


def flowing(flows: Sequence[OutputFlow]) -> Iterator[str]:
    """Yields what reaches the outputs, as lines. Outputs of which the same is known share the lines."""
    groups: dict[OutputFlow, list[str]] = {}
    for flow in flows:
        groups.setdefault(replace(flow, name=""), []).append(flow.name)
    for flow, names in groups.items():
        yield from _listed(f"{_HELD[flow.holds]}:", names)
        if flow.holds is not Holds.NOTHING:
            yield f"  {'added' if flow.added_over_clients else 'not added'} over the clients"
        yield from _listed("  from", flow.sources or ("constants only",))
        if flow.through:
            yield from _listed("  aggregated by", flow.through)
        for warning in flow.warnings:
            yield from (
                f"  {'WARNING: ' if n == 0 else '  '}{line}" for n, line in enumerate(_wrapped(warning.split()))
            )
    yield from NO_PROOF


NO_PROOF = (
    "This analysis proves nothing. It follows values through the graphs and knows a few operations that sum over",
    "records. A graph can multiply all records but one by zero and sum them, or sum over a batch of one record:",
    "there is no warning for this. A warning can also be wrong, where the analysis does not know an operation.",
)
_HELD = {
    Holds.NOTHING: "does not depend on the silo's data",
    Holds.SUMS: "sums over records, or counts of records",
    Holds.GROUPS: "sums over groups of records",
    Holds.RECORDS: "can hold values of single records",
}


def _listed(title: str, words: Sequence[str]) -> list[str]:
    """Returns a title and a list, on several lines if it is long."""
    lines = _wrapped([f"{word}," for word in words[:-1]] + list(words[-1:]))
    return [f"{title} {lines[0]}", *(f"    {line}" for line in lines[1:])]


def covered(scope: ConsentScope) -> list[str]:
    """Returns what an approval of a scope covers, as lines."""
    lines = [f"the computation {scope.computation}"]
    for one in scope.inputs:
        if not one.dataset:
            lines.append(f"{one.name}: a value that the coordinator gives")
            continue
        who = f"clients by column {one.clients}" if one.clients else "the silo is one client"
        most = f", {one.clients_per_round} clients per round" if one.clients_per_round is not None else ""
        lines.append(f"{one.name}: the dataset {one.dataset}, {who}{most}")
        for component in one.components:
            columns = ", ".join(component.columns) or "no column of the silo's file"
            name = shown_name(component.tensor.name) or "value"
            lines.append(f"  {name} {described(component.tensor)} from {columns}")
    over = scope.over
    if over.dataset:
        who = f"by column {over.column}" if over.column else "the silo is one client"
        lines.append(f"it runs over the clients of the dataset {over.dataset}, {who}")
    for kept in scope.kept:
        of = f" of {', '.join(kept.datasets)}" if kept.datasets else ""
        lines.append(f"{kept.name}: value {kept.output} that the computation {kept.shard[:12]} has kept{of}")
    lines.append(f"{_count(len(scope.outputs), 'output')}:")
    lines += [
        f"  {output.name}: {described(output)}, {_HELD[output.holds]}"
        + ("" if output.added_over_clients or output.holds is Holds.NOTHING else ", not added over the clients")
        for output in scope.outputs
    ]
    limits = scope.limits.model_dump(by_alias=True)
    said = (f"{name} {'none' if value is None else value}" for name, value in limits.items())
    return [*lines, f"limits: {', '.join(said)}"]


def _earlier(scope: ConsentScope, approvals: Sequence[Approval]) -> list[str]:
    lines = []
    for approval in approvals:
        if approval.scope is not None and approval.scope != scope:
            found = [text for texts in differences(approval.scope, scope).values() for text in texts]
            who = f"by {approval.by or 'somebody'} at {approval.at or 'an unknown time'}"
            lines += _section("does not match an earlier approval", found, who)
    return lines


def enforced(policy: Policy) -> list[str]:
    """Returns what the silo itself enforces, as sentences."""
    limits, computations = policy.limits, policy.computations
    said = [
        policy.requesters is not None and f"requested by {_one_of(policy.requesters)}",
        policy.namespaces is not None and f"from namespace {_one_of(policy.namespaces)}",
        policy.datasets is not None and f"datasets: {', '.join(policy.datasets) or 'none'}",
        "operations: the default list"
        + (f", and {', '.join(computations.operations.allow)}" if computations.operations.allow else "")
        + (f", without {', '.join(computations.operations.deny)}" if computations.operations.deny else ""),
        computations.digests is not None and f"computations: {len(computations.digests)} digests",
        computations.approval == "Manual" and "computations: each digest needs approval",
        limits.rounds_per_job is not None and f"at most {limits.rounds_per_job} rounds over a dataset for one job",
        limits.upload_bytes_per_job is not None and f"at most {limits.upload_bytes_per_job} bytes sent for one job",
        limits.upload_bytes_per_day is not None and f"at most {limits.upload_bytes_per_day} bytes sent per day",
        limits.jobs_per_day is not None and f"at most {limits.jobs_per_day} new jobs per day",
        f"at least {_count(policy.min_clients, 'local client')} in each accumulator"
        + (", so it may be the value of a single client" if policy.min_clients == 1 else ""),
    ]
    return [text for text in said if text]


def believed(policy: Policy) -> list[str]:
    """Returns what the coordinator asserts and the silo cannot check, as sentences."""
    said = [
        policy.min_cohort_size > 1 and f"at least {policy.min_cohort_size} silos in a round",
        policy.require_differential_privacy and "differential privacy: the coordinator adds noise to aggregates",
        policy.require_secure_aggregation and "secure aggregation: the coordinator only sees sums",
    ]
    return [text for text in said if text] or ["nothing: the silo can check all rules of this policy"]


def _section(title: str, lines: Sequence[str], summary: str) -> list[str]:
    return [f"  {title}" + (f": {summary}" if summary else ""), *(f"    {line}" for line in lines)]


def _leaves(leaves: Sequence[shard_pb2.Leaf]) -> list[str]:
    shown = leaves[:_NAMED]
    named = [f"{name}: {_type(leaf)}" for name, leaf in zip(leaf_names(shown), shown, strict=True)]
    return [*named, *([f"and {len(leaves) - _NAMED} more"] if len(leaves) > _NAMED else [])] or ["nothing"]


def _type(leaf: shard_pb2.Leaf) -> str:
    if leaf.HasField("tensor"):
        return _tensor(leaf.tensor)
    parts = (f"{shown_name(part.name) or 'value'} {_tensor(part.tensor)}" for part in leaf.sequence.components)
    return f"examples of ({', '.join(parts)})"


def _tensor(tensor: shard_pb2.Tensor) -> str:
    if tensor.unknown_rank:
        return f"{tensor.dtype}[...]"
    shape = ", ".join("?" if size < 0 else str(size) for size in tensor.shape)
    return f"{tensor.dtype}[{shape}]" if tensor.shape else tensor.dtype


def _size(leaves: Iterable[shard_pb2.Leaf]) -> str:
    """Returns the size of the leaves, as far as their types determine it."""
    sizes = [_bytes(leaf) for leaf in leaves]
    known = sum(size for size in sizes if size is not None)
    return f"{'more than ' if None in sizes else ''}{known} bytes"


def _bytes(leaf: shard_pb2.Leaf) -> int | None:
    tensor = leaf.tensor
    if (
        not leaf.HasField("tensor")
        or tensor.unknown_rank
        or tensor.dtype not in _BYTES
        or min(tensor.shape, default=0) < 0
    ):
        return None
    return _BYTES[tensor.dtype] * math.prod(tensor.shape)


def _wrapped(words: Sequence[str]) -> list[str]:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _one_of(names: Sequence[str]) -> str:
    return " or ".join(names) or "nobody"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
