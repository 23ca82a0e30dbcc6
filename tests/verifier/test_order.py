"""Nodes that only control inputs connect have one order, whatever their names are, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest
from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier.order import OrderError, canonical_order

Graph = Mapping[str, tuple[str, Sequence[str]]]
"""Operations and inputs by the name of the node."""


def _forms(graph: Graph, results: Sequence[str]) -> set[tuple[str, ...]]:
    """Returns the graph as text in its canonical order, for all names that its nodes can have."""
    found = set()
    for names in permutations(sorted(graph)):
        new = dict(zip(sorted(graph), names, strict=True))
        nodes = {
            new[name]: pb.Node(name=new[name], op=op, input=[_renamed(text, new) for text in inputs])
            for name, (op, inputs) in graph.items()
        }
        order = canonical_order(nodes, [_renamed(text, new) for text in results])
        places = {name: f"n{number}" for number, name in enumerate(order)}
        found.add(tuple(f"{nodes[n].op} {sorted(_renamed(t, places) for t in nodes[n].input)}" for n in order))
    return found


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return "^" * text.startswith("^") + names[text.removeprefix("^")]


def test_different_nodes_have_one_order() -> None:
    assert len(_forms({"a": ("A", []), "b": ("B", []), "c": ("C", ["^b", "^a"])}, ["c"])) == 1


def test_a_node_comes_after_the_one_that_others_reach_it_by() -> None:
    graph = {"a": ("A", []), "b": ("A", []), "c": ("C", ["b"]), "d": ("D", ["^a", "^b", "^c"])}
    assert len(_forms(graph, ["d"])) == 1


def test_equal_nodes_that_can_be_exchanged_have_one_form() -> None:
    graph = {"a": ("A", []), "b": ("A", []), "c": ("C", ["a"]), "d": ("C", ["b"]), "e": ("E", ["^c", "^d"])}
    assert len(_forms(graph, ["e"])) == 1


def test_equal_nodes_are_distinguished_by_their_users() -> None:
    graph = {"a": ("A", []), "b": ("A", []), "c": ("C", ["^a", "^b"]), "d": ("D", ["a"])}
    assert len(_forms(graph, ["d", "c"])) == 1


def test_equal_nodes_are_told_apart_by_the_tensors_that_later_results_take() -> None:
    graph = {"a": ("A", []), "b": ("A", []), "c": ("C", ["^a", "^b"]), "d": ("D", ["a"])}
    assert len(_forms(graph, ["c", "d"])) == 1


def test_what_no_result_needs_does_not_matter() -> None:
    graph = {"a": ("A", []), "b": ("A", []), "c": ("C", ["^a", "^b"]), "d": ("D", ["a"]), "e": ("E", ["^b"])}
    assert len(_forms(graph, ["c"])) == 1


def test_nodes_that_can_be_exchanged_stay_in_their_order() -> None:
    """Their names do not matter: as texts, `n10` comes before `n9`."""
    names = ["n8", "n9", "n10", "n11"]
    nodes = {name: pb.Node(name=name, op="A") for name in names}
    nodes["n12"] = pb.Node(name="n12", op="B", input=[f"^{name}" for name in sorted(names)])
    assert canonical_order(nodes, ["n12"]) == [*names, "n12"]


def test_equal_nodes_that_cannot_be_exchanged_are_refused() -> None:
    """`c` comes first and needs both, and only one of them is needed again."""
    graph = {"a": ("A", []), "b": ("A", []), "c": ("C", ["^a", "^b"]), "d": ("D", ["^a"])}
    with pytest.raises(OrderError, match="cannot be exchanged"):
        _forms(graph, ["c", "d"])


def test_a_cycle_is_refused() -> None:
    with pytest.raises(OrderError, match="in a cycle"):
        _forms({"a": ("A", ["b"]), "b": ("B", ["^a"])}, ["a"])
    with pytest.raises(OrderError, match="in a cycle"):
        _forms({"a": ("A", ["^b", "^c"]), "b": ("B", ["c"]), "c": ("C", ["b"])}, ["a"])


def test_a_long_search_can_be_ended() -> None:
    """Each node needs the two before it: the number of ways to the first one grows with each."""
    nodes = {"n0": pb.Node(name="n0", op="A"), "m0": pb.Node(name="m0", op="A")}
    for number in range(1, 40):
        for name in "nm":
            inputs = [f"^n{number - 1}", f"^m{number - 1}"]
            nodes[f"{name}{number}"] = pb.Node(name=f"{name}{number}", op="A", input=inputs)

    class EndedError(Exception):
        pass

    left = [100_000]

    def spend(amount: int) -> None:
        left[0] -= amount
        if left[0] < 0:
            raise EndedError

    with pytest.raises(EndedError):
        canonical_order(nodes, [], ["n39", "m39"], spend=spend)


def test_deeply_nested_control_inputs_are_refused_before_they_fill_the_stack() -> None:
    nodes = {"a0": pb.Node(name="a0", op="A"), "b0": pb.Node(name="b0", op="A")}
    for depth in range(1, 500):
        inputs = [f"^a{depth - 1}", f"^b{depth - 1}"]
        nodes |= {f"{name}{depth}": pb.Node(name=f"{name}{depth}", op="A", input=inputs) for name in "ab"}
    with pytest.raises(OrderError, match="too deeply nested"):
        canonical_order(nodes, ["a499"], ["b499"])
