"""Finds what the variants and resources of a graph contain, and checks that each operation gets what it declares.

It follows the graph from its inputs. A function is followed once for each list of types that it is called with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedjobs_verifier import limits
from fedjobs_verifier.content_rules import RULES, other
from fedjobs_verifier.contents import Contents, Type, dtype_of, joined, named
from fedjobs_verifier.refusals import Refusal, shown
from fedjobs_verifier.steps import Body, Source, Step
from fedjobs_verifier.uses import Use

Environment = dict[tuple[str, int], Type]
"""The contents that are known: by the name of a node or argument, and the number of its output."""


class Inference:
    """Follows a graph.

    Args:
        bodies: The functions of the segment, by name.
        signatures: The data types of their inputs and outputs.
        contents: Makes contents.
        effort: What may still be done in the shard.
    """

    def __init__(
        self,
        bodies: Mapping[str, Body],
        signatures: Mapping[str, tuple[Sequence[int], Sequence[int]]],
        contents: Contents,
        effort: Effort,
    ) -> None:
        self.contents = contents
        self._bodies = bodies
        self._signatures = signatures
        self._effort = effort
        self._known: dict[tuple[str, tuple[Type, ...]], Sequence[Type]] = {}
        self._variables: dict[bytes, Type] = {}

    def follow(self, steps: Sequence[Step], environment: Environment) -> None:
        """Adds the contents of the outputs of the steps."""
        for step in steps:
            self._effort.spend(1 + len(step.outputs) + sum(map(len, step.inputs.values())))
            inputs = {name: [_type(source, environment) for source in given] for name, given in step.inputs.items()}
            try:
                outputs = RULES.get(step.op, other)(Use(step, inputs, self))
            except Refusal as refusal:
                raise (refusal if refusal.place else refusal.at(f"node {shown(step.name)} ({step.op})")) from None
            for number, type_ in enumerate(outputs):
                if not isinstance(type_, int):
                    environment[step.name, number] = type_

    def call(self, name: str, given: Sequence[Type]) -> Sequence[Type]:
        """Returns what a function returns for arguments of these types."""
        wanted, _ = self._signatures[name]
        if len(wanted) != len(given) or any(w != dtype_of(g) for w, g in zip(wanted, given, strict=True)):
            raise Refusal(
                f"the function {shown(name)} takes {named(list(wanted))}, and gets {named(given)}",
                "Call functions with the types that they declare.",
            )
        self._effort.spend(1 + len(given))
        key = name, tuple(given)
        if key not in self._known:
            body = self._bodies[name]
            environment: Environment = {(f"a{number}", 0): type_ for number, type_ in enumerate(given)}
            try:
                self.follow(body.steps, environment)
            except Refusal as refusal:
                raise (refusal.at(f"function {shown(name)}") if len(refusal.place) == 1 else refusal) from None
            self._known[key] = [_type(source, environment) for source in body.returned]
        return self._known[key]

    def loop(self, name: str, given: Sequence[Type]) -> Sequence[Type]:
        """Returns what a loop returns: the types that its body both takes and returns."""
        types = list(given)
        for _ in range(3):
            returned = self.call(name, types)
            if all(one is two or one == two for one, two in zip(types, returned, strict=True)):
                return types
            types = [joined(a, b) for a, b in zip(types, returned, strict=True)]
        unknown = [dtype_of(type_) for type_ in types]
        self.call(name, unknown)
        return unknown

    def any_of(self, names: Sequence[str], given: Sequence[Type]) -> Sequence[Type]:
        """Returns what a branch returns, whichever function it runs."""
        types = self.call(names[0], given)
        for name in names[1:]:
            types = [joined(a, b) for a, b in zip(types, self.call(name, given), strict=True)]
        return types

    def call_unknown(self, name: str) -> None:
        """Follows a function of which it is not known what it is called with."""
        self.call(name, self._signatures[name][0])

    def variable(self, name: bytes, type_: Type) -> None:
        """Notes the type of a named variable, which is one variable in all functions of a segment."""
        if self._variables.setdefault(name, type_) is not type_:
            raise Refusal(
                f"the variable {shown(name)} is of other types in other nodes", "Give variables names of their own."
            )


class Effort:
    """What may still be followed in a shard. It bounds the time for hostile shards."""

    def __init__(self) -> None:
        self._left = limits.FOLLOWED

    def spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise Refusal(
                f"its functions are called in too many ways: they have more than {limits.FOLLOWED} inputs and outputs",
                "Call functions with the same types.",
            )


def _type(source: Source, environment: Environment) -> Type:
    name, number, dtype = source
    return environment.get((name, number), dtype)
