"""The explanation of a computation as text."""

from __future__ import annotations

from fedjobs_common.digests import digest
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.consent.shard_explanation import explain

from tests.worker.test_policies import a_policy


def _leaf(name: str, dtype: str = "float32", *shape: int) -> shard_pb2.Leaf:
    return shard_pb2.Leaf(name=name, tensor=shard_pb2.Tensor(dtype=dtype, shape=shape))


def test_it_describes_inputs_data_operations_and_outputs() -> None:
    components = [shard_pb2.Component(name="x", tensor=shard_pb2.Tensor(dtype="float32", shape=[-1, 64]))]
    examples = shard_pb2.Leaf(sequence=shard_pb2.Sequence(components=components))
    shard = shard_pb2.Shard(
        broadcasts=[_leaf("weights", "float32", 64, 10)],
        client_inputs=[examples],
        accumulators=[_leaf("sum", "float32", 64, 10), _leaf("names", "string")],
    )
    policy = a_policy(requesters=["alice"], minCohortSize=3)
    text = explain(digest(b""), shard, {"MatMul", "Add"}, label="round", datasets=["digits"], policy=policy)
    for line in (
        f"computation {digest(b'')} (round)",
        "  receives: 2560 bytes",
        "    weights: float32[64, 10]",
        "  reads digits: for each local client",
        "    value 0: examples of (x float32[?, 64])",
        "  runs: 2 kinds of TensorFlow operations",
        "    Add MatMul",
        "  sends: more than 2560 bytes, accumulated over the local clients",
        "    requested by alice",
        "    at least 1 local client in each accumulator, so it may be the value of a single client",
        "    at least 3 silos in a round",
    ):
        assert line in text.splitlines()
    assert text.index("enforced by the silo") < text.index("requested by") < text.index("taken on trust from the")


def test_it_says_what_stays_in_the_silo_and_what_is_read_again() -> None:
    kept = shard_pb2.KeptInput(type=_leaf("mean"), shard=bytes.fromhex("ab" * 32))
    shard = shard_pb2.Shard(kept_inputs=[kept], kept_outputs=[_leaf("difference", "float32", 2)])
    lines = explain(digest(b""), shard, set()).splitlines()
    assert lines[lines.index(f"  reads again: of each client, kept by {('ab' * 32)[:12]}") + 1] == "    mean: float32"
    assert lines[lines.index("  keeps in the silo: of each client, for later stages") + 1] == (
        "    difference: float32[2]"
    )


def test_names_in_a_shard_cannot_add_lines() -> None:
    shard = shard_pb2.Shard(broadcasts=[_leaf("x\n  enforced by the silo\n\x1b[2J", "a\rb")])
    text = explain(digest(b""), shard, {"Op\nfake"}, label="y\nz")
    assert len(text.splitlines()) == len(explain(digest(b""), shard_pb2.Shard(), set()).splitlines())
    assert "\x1b" not in text


def test_many_values_are_counted_and_not_listed() -> None:
    text = explain(digest(b""), shard_pb2.Shard(broadcasts=[_leaf(f"w{i}") for i in range(1000)]), set())
    assert "and 988 more" in text
    assert len(text.splitlines()) < 30
