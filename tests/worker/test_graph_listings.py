"""The graphs of a shard as text and as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
import tensorflow as tf
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import verify_for_some_silo
from fedjobs_worker.consent.graphs import listings
from fedjobs_worker.consent.graphs.flows import Holds, OutputFlow, flows_of
from fedjobs_worker.consent.graphs.pictures import picture

from tests.worker.shard_builders import sequence, shard, tensor

EXAMPLES = sequence(x=tensor("float32", 2), y=tensor("int32"))


def a_shard(work: Any) -> shard_pb2.Shard:
    return verify_for_some_silo(shard([tensor("float32")], [EXAMPLES], work)).message


def scaled(factor: tf.Tensor, dataset: Any) -> list[tf.Tensor]:
    total = dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0], 0))
    return [tf.identity(total) * factor + tf.reduce_sum(tf.constant([1.5, 2.5, 2.5]))]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return listings.listed(a_shard(scaled))


def test_each_program_says_what_comes_in_and_what_goes_out(lines: list[str]) -> None:
    assert [line for line in lines if line.startswith("program ")] == [
        "program zero (initialise)",
        "program work (work on one client)",
        "program accumulate (accumulate over the clients)",
    ]
    start = lines.index("program work (work on one client)")
    assert lines[start + 1 : start + 3] == [
        "  in:  input_0 = client input value 0",
        "  in:  input_1 = broadcast value 0",
    ]
    assert "  out: result 0 of work = n" in "\n".join(lines)
    assert any(line.startswith("  out: total value 0 = ") for line in lines)


def test_a_node_has_its_operation_its_inputs_and_what_matters_of_its_attributes(lines: list[str]) -> None:
    (reduce,) = [line for line in lines if "ReduceDataset(" in line]
    function = reduce.partition("f=")[2][:10]
    assert "ReduceDataset(input_0, float32 0, f=f_" in reduce
    start = lines.index(f"function {function}")
    assert lines[start + 1] == "  in:  a0: float32, a1: float32, a2: int32"
    body = lines[start + 2 : start + 6]
    assert any("= Sum(a1, " in line for line in body)
    assert any("= AddV2(a0, n" in line for line in body)
    assert any("Const float32[3] of 12 bytes: 1.5, 2.5, 2.5" in line for line in lines)


def test_copies_and_single_numbers_are_written_where_they_are_used(lines: list[str]) -> None:
    assert not any("Identity(" in line for line in lines)
    assert not any("Const float32 0" in line for line in lines)


def test_equal_neighbours_share_a_line() -> None:
    random = [pb.Node(name=f"n{number}", op="RandomUniform", input=["input_0"]) for number in range(3)]
    graph = pb.Graph(node=[*random, pb.Node(name="n3", op="AddN", input=["n0", "n1", "n2"])])
    segment = shard_pb2.Segment(graph_def=graph.SerializeToString(), fetches=["n3:0"])
    shown = listings.listed(shard_pb2.Shard(work=shard_pb2.Program(segments=[segment], outputs=[0])))
    assert "  n0 to n2 = RandomUniform(input_0)  (3 nodes)" in shown
    assert "  n3 = AddN(n0, n1, n2)" in shown


def test_what_is_cut_is_counted_and_the_option_is_named() -> None:
    assert listings.shortened(["a", "b"], 2) == ("a", "b")
    assert listings.shortened(["a", "b", "c"], 1) == (
        "a",
        "... 2 of 3 lines are not shown. Show all with --whole-graph.",
    )


HOSTILE = "x\n  data flow: nothing\x1b[2J</text><script>alert(1)</script>"


def test_names_and_texts_in_a_shard_cannot_add_lines_or_control_a_terminal() -> None:
    def with_text(_: tf.Tensor, dataset: Any) -> list[tf.Tensor]:
        length = tf.strings.length(tf.strings.join([tf.constant("a\nb\x1b[2J"), tf.constant("c" * 100)]))
        return [dataset.reduce(0.0, lambda total, e: total + e[0][0]) + tf.cast(length, tf.float32)]

    plain = a_shard(with_text)
    changed = shard_pb2.Shard.FromString(plain.SerializeToString())
    changed.broadcasts[0].name = changed.accumulators[0].name = HOSTILE
    shown = listings.listed(changed)
    assert len(shown) == len(listings.listed(plain))
    assert all(line.isprintable() for line in shown)
    assert repr(HOSTILE) in "\n".join(shown)


def _elements(svg: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter())  # noqa: S314 (it was made here)


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in _elements(svg) if element.tag.endswith("}text")]


def test_the_picture_shows_inputs_ways_outputs_and_functions() -> None:
    shown = a_shard(scaled)
    texts = _texts(picture("computation 1", shown, flows_of(shown)))
    for text in (
        "computation 1",
        "broadcast value 0",
        "x of client input value 0",
        "sums over records",
        "  value 0",
        "  ReduceDataset",
    ):
        assert text in texts
    assert any(text.startswith("program work (") for text in texts)


def test_the_picture_warns() -> None:
    shown = a_shard(scaled)
    flow = OutputFlow("value 0", Holds.RECORDS, added_over_clients=False, sources=(), through=(), warnings=())
    texts = _texts(picture("computation 1", shown, [flow]))
    assert "WARNING: can hold single records" in texts
    assert "WARNING: not added over clients" in texts


def test_names_in_a_shard_stay_text_in_the_picture() -> None:
    shown = a_shard(scaled)
    shown.broadcasts[0].name = shown.accumulators[0].name = HOSTILE
    svg = picture(HOSTILE, shown, flows_of(shown))
    elements = {element.tag.rpartition("}")[2] for element in _elements(svg)}
    assert elements == {"svg", "rect", "path", "text"}
    assert "\x1b" not in svg
    assert any("<script>" in text for text in _texts(svg))
