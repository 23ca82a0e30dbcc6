"""The order of the nodes of a graph or a function. It depends on the structure only, and not on any name.

Nodes come in the order in which a search from the results finds them, each after its inputs. Inputs that are tensors
have an order. Control inputs have none. Those that need the longest chain of nodes come first, and then they are sorted
by a hash of what they need, and equal ones by how they are connected to the nodes so far. Those that are still equal
can be exchanged, or the graph has no canonical order. The hash includes the number of each node that a search from the
results along tensors finds, so that it tells apart equal nodes that are used differently.

The planner orders nodes by this module, and the verifier compares. So it takes TensorFlow's messages, and the
verifier's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import blake3

Scopes = tuple[dict[str, int], ...]
"""The places of nodes: those that are final, and those of the searches that compare control inputs."""

_CYCLE = "is in a cycle (TensorFlow 1 control flow)"
_NESTED = "has control inputs that are too deeply nested to find their order"
_DEEPEST = 64
"""Comparisons of control inputs inside of each other. Each doubles the nodes to look at, so `spend` ends them before.
But the search calls itself for each of them, and Python's stack is small."""
_EQUAL = "has the same place as another one, and the two cannot be exchanged"


class OrderError(ValueError):
    """The nodes have no canonical order.

    Attributes:
        node: A node for which this is so.
        why: Why, as the end of a sentence.
    """

    def __init__(self, node: str, why: str) -> None:
        super().__init__(f"the node {node!r} {why}")
        self.node = node
        self.why = why


def canonical_order(
    nodes: Mapping[str, Any],
    results: Sequence[str],
    controls: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    spend: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Returns the names of the nodes that the results need, in the canonical order.

    Args:
        nodes: The nodes by name. What else their inputs name, such as an argument of a function, has no place.
        results: The tensors of the results, in their order.
        controls: Names of nodes that must run too. They have no order.
        labels: What the inputs of the graph are, by the names of their nodes.
        spend: Gets the number of nodes that are looked at, from time to time. It can raise to end a long search.

    Raises:
        OrderError: The graph has a cycle, or nodes that have no order.
    """
    order = _Order(nodes, [*results, *(f"^{name}" for name in controls)], labels or {}, spend)
    return order.nodes()


class _Order:
    def __init__(
        self, nodes: Mapping[str, Any], ends: Sequence[str], labels: Mapping[str, str], spend: Callable[[int], None]
    ) -> None:
        # What no result needs has no place, and does not tell apart the nodes that it uses.
        self._nodes, self._ends, self._labels, self._spend = _needed(nodes, ends), ends, labels, spend
        self._keys: dict[str, tuple[int, bytes]] = {}
        self._bares: dict[str, bytes] = {}
        self._users: dict[str, list[str]] = {}
        self._by_resource: dict[bytes, list[str]] = {}
        self._positions = {name: position for position, name in enumerate(nodes)}
        self._numbers = self._numbered()

    def nodes(self) -> list[str]:
        places: dict[str, int] = {}
        self._search(self._ends, (places,))
        return list(places)

    def _numbered(self) -> dict[str, int]:
        """Numbers the nodes that the ends need as tensors, in the order in which a search finds them."""
        numbers: dict[str, int] = {}
        stack = [name for control, name, _ in map(_parsed, reversed(self._ends)) if not control]
        while stack:
            name = stack.pop()
            if name in self._nodes and name not in numbers:
                numbers[name] = len(numbers)
                stack += [other for control, other, _ in map(_parsed, reversed(self._nodes[name].input)) if not control]
        self._spend(len(numbers))
        return numbers

    def _search(self, ends: Sequence[str], scopes: Scopes) -> None:
        """Gives places, in the last scope, to all nodes that the ends need and that have none."""
        nodes, places, open_ = self._nodes, scopes[-1], set()
        placed = _placed(scopes)
        stack = [("", self._inputs(ends, scopes))]
        while stack:
            name, inputs = stack[-1]
            for other in inputs:
                if other in nodes and not placed(other):
                    if other in open_:
                        raise OrderError(other, _CYCLE)
                    open_.add(other)
                    stack.append((other, self._inputs(nodes[other].input, scopes)))
                    break
            else:
                stack.pop()
                if stack:
                    places[name] = len(places)
        self._spend(len(places) * len(scopes))

    def _inputs(self, texts: Sequence[str], scopes: Scopes) -> Iterator[str]:
        """Yields the nodes of inputs in their order. That of control inputs is found after the others have places."""
        controls = []
        for text in texts:
            if text.startswith("^"):
                controls.append(text[1:])
            else:
                yield text.partition(":")[0]
        if controls:
            placed = _placed(scopes)
            waiting = [name for name in dict.fromkeys(controls) if name in self._nodes and not placed(name)]
            yield from waiting if len(waiting) < 2 else self._sorted(waiting, scopes)

    def _sorted(self, names: Sequence[str], scopes: Scopes) -> Iterator[str]:
        for _, group in groupby(sorted(names, key=self._key), key=self._key):
            equal = [name for name in group if not _placed(scopes)(name)]
            if len(equal) < 2:
                yield from equal
                continue
            # The order of nodes that can be exchanged does not matter. It stays as it is.
            equal.sort(key=self._positions.__getitem__)
            described = sorted(((*self._described(name, scopes), name) for name in equal), key=lambda each: each[0])
            for (text, first, _), (other_text, second, _) in pairwise(described):
                if text == other_text:
                    self._check_exchangeable(first, second)
            yield from (name for _, _, name in described)

    def _key(self, end: str) -> tuple[int, bytes]:
        """Returns the length of the chain before a node, below 0, and its hash: of operation, attributes and inputs."""
        hashes, open_, stack = self._keys, set(), [end]
        while stack:
            name = stack[-1]
            parsed = [_parsed(text) for text in self._nodes[name].input]
            waiting = [n for _, n, _ in parsed if n in self._nodes and n not in hashes]
            if name not in hashes and waiting:
                if name in open_:
                    raise OrderError(name, _CYCLE)
                open_.add(name)
                stack += waiting
                continue
            stack.pop()
            if name not in hashes:
                hasher = blake3.blake3(self._bare(name))
                texts = [hashes[other][1] if other in hashes else b"\0" + other.encode() for _, other, _ in parsed]
                for (control, _, output), text in zip(parsed, texts, strict=True):
                    if not control:
                        hasher.update(text + output.encode() + b"\0")
                for text in sorted({text for (control, _, _), text in zip(parsed, texts, strict=True) if control}):
                    hasher.update(b"^" + text)
                before = min((hashes[other][0] for _, other, _ in parsed if other in hashes), default=0)
                hashes[name] = before - 1, hasher.digest()
        self._spend(len(open_))
        return hashes[end]

    def _bare(self, name: str) -> bytes:
        """Returns a node without its name, its inputs and the name of its resource, but with its number."""
        if name in self._bares:
            return self._bares[name]
        node = self._nodes[name]
        bare = type(node)(op=node.op, device=node.device)
        for key, value in node.attr.items():
            if key != "shared_name":
                bare.attr[key].CopyFrom(value)
        label = f"{self._labels.get(name, '')} {self._numbers.get(name)}"
        self._bares[name] = label.encode() + b"\0" + bytes(bare.SerializeToString(deterministic=True))
        return self._bares[name]

    def _described(self, name: str, scopes: Scopes) -> tuple[bytes, list[str]]:
        """Returns a digest of how a node and what it needs are connected, and the order of these nodes.

        Two nodes with the same digest need nodes that are the same except for their names.
        """
        if len(scopes) > _DEEPEST:
            raise OrderError(name, _NESTED)
        inner = (*scopes, {})
        self._search([f"^{name}"], inner)
        hasher = blake3.blake3()
        self._spend(4 * len(inner[-1]) * len(inner))
        for each in inner[-1]:
            controls = []
            hasher.update(self._bare(each) + self._resource_place(each, inner))
            for control, other, output in map(_parsed, self._nodes[each].input):
                place = _place(other, inner) + output.encode()
                if control:
                    controls.append(b"^" + place)
                else:
                    hasher.update(place + b"\0")
            hasher.update(b"\0".join(sorted(set(controls))))
        return hasher.digest(), list(inner[-1])

    def _resource_place(self, name: str, scopes: Scopes) -> bytes:
        """Returns the first place at which the resource of a node is used."""
        same = self._of_resource(_resource(self._nodes[name]))
        places = [(level, scope[each]) for each in same for level, scope in enumerate(scopes) if each in scope]
        return b"r%d.%d" % min(places) if places else b""

    def _of_resource(self, resource: bytes) -> list[str]:
        if not resource:
            return []
        if not self._by_resource:
            for name, node in self._nodes.items():
                self._by_resource.setdefault(_resource(node), []).append(name)
        self._spend(len(self._by_resource[resource]))
        return self._by_resource[resource]

    def _check_exchangeable(self, first: Sequence[str], second: Sequence[str]) -> None:
        """Checks that the graph stays the same if these nodes change places, the first with the first, and so on."""
        moved: dict[str, str] = {}
        for one, other in zip(first, second, strict=True):
            if one != other and (moved.setdefault(one, other) != other or moved.setdefault(other, one) != one):
                raise OrderError(one, _EQUAL)
        for one, other in moved.items():
            for user in self._users_of(one):
                inputs = self._inputs_of(moved.get(user, user))
                self._spend(len(inputs[0]) + len(inputs[1]))
                if one in self._labels or self._inputs_of(user, moved) != inputs:
                    raise OrderError(one, _EQUAL)
            resource = _resource(self._nodes[other])
            for user in self._of_resource(_resource(self._nodes[one])):
                if _resource(self._nodes[moved.get(user, user)]) != resource:
                    raise OrderError(one, _EQUAL)

    def _inputs_of(self, name: str, moved: Mapping[str, str] | None = None) -> tuple[list[str], set[str]]:
        """Returns the inputs of a node after nodes changed their names, with the control inputs apart."""
        given, data, controls = moved or {}, [], set()
        for control, other, output in map(_parsed, self._nodes[name].input if name else self._ends):
            if control:
                controls.add(given.get(other, other))
            else:
                data.append(given.get(other, other) + output)
        return data, controls

    def _users_of(self, name: str) -> list[str]:
        if not self._users:
            for user, texts in [("", self._ends), *((user, node.input) for user, node in self._nodes.items())]:
                for other in {other for _, other, _ in map(_parsed, texts)}:
                    self._users.setdefault(other, []).append(user)
        return self._users.get(name, [])


def _needed(nodes: Mapping[str, Any], ends: Sequence[str]) -> dict[str, Any]:
    """Returns the nodes that the ends need."""
    needed: dict[str, Any] = {}
    pending = [name for _, name, _ in map(_parsed, ends)]
    while pending:
        name = pending.pop()
        if name in nodes and name not in needed:
            needed[name] = nodes[name]
            pending += [other for _, other, _ in map(_parsed, nodes[name].input)]
    return needed


def _placed(scopes: Scopes) -> Callable[[str], bool]:
    """Returns whether a node has a place in one of the scopes."""
    return scopes[0].__contains__ if len(scopes) == 1 else lambda name: any(name in scope for scope in scopes)


def _parsed(text: str) -> tuple[bool, str, str]:
    """Returns whether an input is a control input, its node, and which output of the node it is."""
    control = text.startswith("^")
    name, colon, output = text[control:].partition(":")
    return control, name, colon + output


def _resource(node: Any) -> bytes:
    return bytes(node.attr["shared_name"].s) if "shared_name" in node.attr else b""


def _place(name: str, scopes: Scopes) -> bytes:
    for level, scope in enumerate(scopes):
        if name in scope:
            return b"%d.%d" % (level, scope[name])
    return b"\0" + name.encode()
