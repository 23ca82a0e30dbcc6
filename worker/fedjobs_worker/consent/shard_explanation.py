"""A computation in words, for the person who decides: what comes down, what it reads and runs, what goes up."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.policy_files import Policy

_NAMED = 12  # leaves of one kind that are listed
_WIDTH = 100
_LONGEST = 400  # characters of a line
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
) -> str:
    """Several lines of text.

    Args:
        digest: Of the shard, which is what is approved.
        shard: The computation.
        operations: All TensorFlow operations in it.
        label: What the coordinator calls it.
        datasets: Which of the silo's data it is asked to read.
        policy: Also says what this policy enforces, and what it has to believe.
    """
    lines = [f"computation {digest}" + (f" ({label})" if label else "")]
    lines += _section("comes down", _leaves(shard.broadcasts), _size(shard.broadcasts))
    lines += _section(f"reads {', '.join(datasets)}".strip(), _leaves(shard.client_inputs), "for each local client")
    lines += _section("runs", _wrapped(sorted(operations)), f"{len(operations)} kinds of TensorFlow operations")
    lines += _section(
        "goes up", _leaves(shard.accumulators), f"{_size(shard.accumulators)}, accumulated over the local clients"
    )
    if policy is not None:
        lines += _section("enforced by the silo", enforced(policy), "")
        lines += _section("believed of the coordinator", believed(policy), "")
    # Names in a shard are what its author wrote: they cannot end a line, or command a terminal.
    return "".join(f"{_printable(line)[:_LONGEST]}\n" for line in lines)


def enforced(policy: Policy) -> list[str]:
    """What the silo itself sees to, in words."""
    limits, computations = policy.limits, policy.computations
    said = [
        policy.requesters is not None and f"requested by {_one_of(policy.requesters)}",
        policy.namespaces is not None and f"from namespace {_one_of(policy.namespaces)}",
        policy.datasets is not None and f"datasets: {', '.join(policy.datasets) or 'none'}",
        "operations: those of the default list"
        + (f", and {', '.join(computations.operations.allow)}" if computations.operations.allow else "")
        + (f", without {', '.join(computations.operations.refuse)}" if computations.operations.refuse else ""),
        computations.digests is not None and f"computations: {len(computations.digests)} digests",
        computations.approval == "manual" and "computations: approved by a person, digest by digest",
        limits.rounds is not None and f"at most {limits.rounds} runs of a computation for one job",
        limits.bytes_up_per_job is not None and f"at most {limits.bytes_up_per_job} bytes up for one job",
        limits.bytes_up_per_day is not None and f"at most {limits.bytes_up_per_day} bytes up in a day",
        limits.jobs_per_day is not None and f"at most {limits.jobs_per_day} new jobs in a day",
        f"at least {_count(policy.min_clients, 'local client')} in what goes up"
        + (": it may be one client's own value" if policy.min_clients == 1 else ""),
    ]
    return [text for text in said if text]


def believed(policy: Policy) -> list[str]:
    """What the coordinator says and the silo cannot check, in words."""
    said = [
        policy.min_cohort > 1 and f"at least {policy.min_cohort} silos in a round",
        policy.require_differential_privacy and "differential privacy: noise is added to what is aggregated",
        policy.require_secure_aggregation and "secure aggregation: the coordinator sees sums alone",
    ]
    return [text for text in said if text] or ["nothing: this policy asks for nothing that it cannot check"]


def _section(title: str, lines: Sequence[str], summary: str) -> list[str]:
    return [f"  {title}" + (f": {summary}" if summary else ""), *(f"    {line}" for line in lines)]


def _leaves(leaves: Sequence[shard_pb2.Leaf]) -> list[str]:
    named = [f"{leaf.name or f'value {number}'}: {_type(leaf)}" for number, leaf in enumerate(leaves[:_NAMED])]
    return [*named, *([f"and {len(leaves) - _NAMED} more"] if len(leaves) > _NAMED else [])] or ["nothing"]


def _type(leaf: shard_pb2.Leaf) -> str:
    if leaf.HasField("tensor"):
        return _tensor(leaf.tensor)
    parts = (f"{part.name or 'value'} {_tensor(part.tensor)}" for part in leaf.sequence.components)
    return f"examples of ({', '.join(parts)})"


def _tensor(tensor: shard_pb2.Tensor) -> str:
    if tensor.unknown_rank:
        return f"{tensor.dtype}[...]"
    shape = ", ".join("?" if size < 0 else str(size) for size in tensor.shape)
    return f"{tensor.dtype}[{shape}]" if tensor.shape else tensor.dtype


def _size(leaves: Iterable[shard_pb2.Leaf]) -> str:
    """Bytes of the leaves, as far as their types tell."""
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


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _one_of(names: Sequence[str]) -> str:
    return " or ".join(names) or "nobody"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
