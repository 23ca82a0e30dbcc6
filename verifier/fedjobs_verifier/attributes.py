"""Attributes of nodes: each has the kind that its operation needs, and a value within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits, rules
from fedjobs_verifier.constants import Budget, rebuild_shape, rebuild_tensor
from fedjobs_verifier.dtypes import NAMES
from fedjobs_verifier.operations import Kind, Operation
from fedjobs_verifier.refusals import Refusal, shown

_FIELDS = {"string": "s", "int": "i", "float": "f", "bool": "b", "type": "type", "shape": "shape", "tensor": "tensor",
           "func": "func"}  # fmt: skip
_LISTS = ("s", "i", "f", "b", "type", "shape", "func")
_KINDS = {field: kind for kind, field in _FIELDS.items()}
_ANY_KIND = {field: Kind(kind) for field, kind in _KINDS.items()}


class Attributes:
    """Rebuilds the attributes of nodes.

    Args:
        functions: The names of the functions of the segment.
        budget: What the constants of the shard may still take.
    """

    def __init__(self, functions: Collection[str], budget: Budget) -> None:
        self._functions = functions
        self._budget = budget

    def rebuild(
        self, source: pb.Node, target: pb.Node, operation: Operation | None
    ) -> tuple[dict[str, Any], list[str]]:
        """Copies the attributes. Returns their values, and the functions that they name.

        Args:
            source: The node.
            target: The node to write.
            operation: The node's operation. None for one that only the silo's file allows: it may have attributes of
                any name and kind, within the bounds for all.
        """
        values: dict[str, Any] = {}
        called: list[str] = []
        if len(source.attr) > limits.ATTRIBUTES:
            raise Refusal(f"it has {len(source.attr)} attributes", f"Use at most {limits.ATTRIBUTES}.")
        for name in sorted(source.attr):
            attribute = source.attr[name]
            try:
                kind = self._kind(name, attribute, operation)
                values[name] = self._rebuild(name, kind, attribute, target.attr[name], called)
            except Refusal as refusal:  # `within` would take a quarter of the time
                raise refusal.at(f"attribute {shown(name)}") from None
        if operation is not None:
            _check_complete(operation, values)
        return values, called

    def _kind(self, name: str, source: pb.Attribute, operation: Operation | None) -> Kind:
        if name.startswith("_"):
            raise Refusal(
                "attributes that begin with _ change how TensorFlow runs a node, and no shard has one",
                "Plan the computation with this release of fedjobs.",
            )
        if operation is not None:
            kind = operation.attributes.get(name)
            if kind is None:
                raise Refusal("the operation has no such attribute", "Use the attributes of TensorFlow 2.14.")
            return kind
        field = source.WhichOneof("value")
        if field == "list":
            filled = [f for f in _LISTS if getattr(source.list, f)]
            return Kind(f"list({_KINDS[filled[0] if filled else 'i']})")
        if field is None or not name.isidentifier() or len(name) > limits.NAME:
            raise Refusal("it has no value or no valid name", "Use the attributes of the operation.")
        return _ANY_KIND[field]

    def _rebuild(self, name: str, kind: Kind, source: pb.Attribute, target: pb.Attribute, called: list[str]) -> Any:
        field = source.WhichOneof("value")
        listed = kind.listed
        one = kind.entry.name if listed else kind.name
        if field != ("list" if listed else _FIELDS[one]):
            raise Refusal(
                f"it is of kind {_KINDS.get(field or '', field or 'none')}", f"It must be of kind {kind.name}."
            )
        if listed:
            return self._rebuild_list(name, kind, one, source.list, target.list, called)
        if one == "shape":
            rebuild_shape(source.shape, target.shape)
            return None
        if one == "tensor":
            rebuild_tensor(source.tensor, target.tensor, self._budget)
            return source.tensor
        if one == "func":
            target.func.name = self._function(source.func.name, called)
            return source.func.name
        value = getattr(source, field)
        _CHECKS[one](name, kind, value)
        setattr(target, field, value)
        return value

    def _rebuild_list(
        self, name: str, kind: Kind, one: str, source: pb.List, target: pb.List, called: list[str]
    ) -> list[Any]:
        field = _FIELDS[one]
        if any(other != field and getattr(source, other) for other in _LISTS):
            raise Refusal("it lists values of different kinds", f"It must be of kind {kind.name}.")
        values = getattr(source, field)
        most = limits.MESSAGES if one in ("shape", "func") else limits.ENTRIES
        if not (kind.least or 0) <= len(values) <= most:
            raise Refusal(f"it has {len(values)} entries", f"It must have {kind.least or 0} to {most}.")
        if name in rules.NO_ENTRIES and values:
            raise Refusal("it must be empty", "Plan the computation with this release of fedjobs.")
        target.SetInParent()
        if one == "shape":
            for shape in values:
                rebuild_shape(shape, target.shape.add())
            return list(values)
        if one == "func":
            for function in values:
                target.func.add(name=self._function(function.name, called))
            return [function.name for function in values]
        for value in values:
            _CHECKS[one](name, kind.entry, value)
        getattr(target, field).extend(values)
        return list(values)

    def _function(self, name: str, called: list[str]) -> str:
        if name not in self._functions:
            raise Refusal(
                f"the function {shown(name)} is not in the library of the graph",
                "Call only functions of the same graph.",
            )
        called.append(name)
        return name


def _check_complete(operation: Operation, values: Mapping[str, Any]) -> None:
    for name in operation.attributes:
        if name not in values:
            raise Refusal(
                f"the attribute {name} is missing",
                "Write each attribute of TensorFlow 2.14, even if it is the default.",
            )
        wanted = rules.REQUIRED_VALUES.get((operation.name, name))
        if wanted is not None and values[name] != wanted.value:
            raise Refusal(f"the attribute {name} is not {wanted.words}", f"Set {name} to {wanted.words}.")
        most = rules.HIGHEST.get((operation.name, name))
        if most is not None and values[name] > most:
            raise Refusal(f"the attribute {name} is {values[name]}", f"Use at most {most}.")


def _check_string(name: str, kind: Kind, value: bytes) -> None:
    rule = rules.TEXTS.get(name)
    if rule is not None and not rule.pattern.fullmatch(value):
        raise Refusal(f"{shown(value)} {rule.words}", "Plan the computation with this release of fedjobs.")
    if kind.allowed is not None and value not in kind.allowed:
        raise Refusal(f"{shown(value)} is not allowed", f"Use one of {sorted(map(shown, kind.allowed))}.")
    if len(value) > limits.STRING:
        raise Refusal(f"it has {len(value)} bytes", f"Use at most {limits.STRING}.")


def _check_int(name: str, kind: Kind, value: int) -> None:
    if kind.least is not None and value < kind.least:
        raise Refusal(f"{value} is too small", f"Use {kind.least} or more.")
    if name not in rules.FREE_INTEGERS and not -(2**31) <= value < 2**31:
        raise Refusal(f"{value} is too large", "Use a number of 32 bits.")


def _check_float(_name: str, _kind: Kind, value: float) -> None:
    if not math.isfinite(value):
        raise Refusal(f"{value} is not finite", "Use a finite number.")


def _check_bool(_name: str, _kind: Kind, _value: bool) -> None:
    """Each truth value is allowed."""


def _check_type(_name: str, kind: Kind, value: int) -> None:
    if value not in (NAMES if kind.allowed is None else kind.allowed):
        raise Refusal(f"the data type {NAMES.get(value, value)} is not allowed", "Use a data type of the operation.")


_CHECKS: Mapping[str, Callable[[str, Kind, Any], None]] = {
    "string": _check_string,
    "int": _check_int,
    "float": _check_float,
    "bool": _check_bool,
    "type": _check_type,
}
