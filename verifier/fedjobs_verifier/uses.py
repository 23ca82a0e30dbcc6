"""One node for which the types of its inputs are known, as the rules see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fedjobs_verifier.contents import Content, Contents, Kind, Type, dtype_of, named
from fedjobs_verifier.dtypes import RESOURCE
from fedjobs_verifier.refusals import Refusal
from fedjobs_verifier.steps import Step

_TYPES = "Declare the types that the elements have."


class Functions(Protocol):
    """Follows the functions that a node calls."""

    contents: Contents

    def call(self, name: str, given: Sequence[Type]) -> Sequence[Type]: ...
    def loop(self, name: str, given: Sequence[Type]) -> Sequence[Type]: ...
    def any_of(self, names: Sequence[str], given: Sequence[Type]) -> Sequence[Type]: ...
    def call_unknown(self, name: str) -> None: ...
    def variable(self, name: bytes, type_: Type) -> None: ...


@dataclass(frozen=True)
class Use:
    """A node.

    Attributes:
        step: The node.
        inputs: The types of its inputs, by the name of the input.
        functions: The functions of the segment.
    """

    step: Step
    inputs: Mapping[str, Sequence[Type]]
    functions: Functions

    @property
    def values(self) -> Mapping[str, Any]:
        return self.step.values

    def of(self, kind: Kind, types: Sequence[Type] = ()) -> Content:
        return self.functions.contents.of(kind, types)

    def content(self, type_: Type, kind: Kind, name: str) -> tuple[Type, ...]:
        """Returns the types in a content of this kind."""
        if isinstance(type_, int) or type_.kind is not kind:
            what = "is not known to be" if isinstance(type_, int) else "is"
            shown = kind.value if isinstance(type_, int) else f"{type_.kind.value} instead of {kind.value}"
            raise Refusal(f"{name} {what} {shown}", "Connect it directly, or through arguments of functions.")
        return type_.types

    def one(self, name: str, kind: Kind) -> tuple[Type, ...]:
        """Returns the types in the content of an input."""
        (type_,) = self.inputs[name]
        return self.content(type_, kind, name)

    def elements(self, name: str = "input_dataset") -> tuple[Type, ...]:
        """Returns the types of the elements of a dataset that is an input."""
        return self.one(name, Kind.DATASET)

    def declared(self, types: Sequence[Type]) -> Sequence[Type]:
        """Checks that the node declares these types. Returns them."""
        attribute = "output_types" if "output_types" in self.values else "Toutput_types"
        self.require(self.values[attribute], types, f"{attribute} declares")
        return types

    def require(self, wanted: Sequence[Type], given: Sequence[Type], what: str) -> None:
        """Checks that data types, and contents where they are given, are equal."""
        if len(wanted) != len(given) or any(
            w != (dtype_of(g) if isinstance(w, int) else g) for w, g in zip(wanted, given, strict=True)
        ):
            raise Refusal(f"{what} {named(wanted)}, and its elements or values are {named(given)}", _TYPES)

    def dataset(self, types: Sequence[Type]) -> list[Type]:
        """Returns the output of an operation that creates a dataset with elements of these types."""
        self.declared(types)
        self.require_no_resource(types)
        return [self.of(Kind.DATASET, types)]

    def require_no_resource(self, types: Sequence[Type]) -> None:
        if any(dtype_of(type_) == RESOURCE for type_ in types):
            raise Refusal("a resource is an element or a value", "Pass resources as arguments of functions.")

    def call(self, attribute: str, *given: Sequence[Type]) -> Sequence[Type]:
        """Returns what the function of an attribute returns for these arguments."""
        return self.functions.call(self.values[attribute], [type_ for types in given for type_ in types])

    def returned_dataset(self, attribute: str, *given: Sequence[Type]) -> tuple[Type, ...]:
        """Returns the types of the elements of the dataset that a function returns."""
        returned = self.call(attribute, *given)
        if len(returned) != 1:
            raise Refusal(f"the function of {attribute} does not return one dataset", _TYPES)
        return self.content(returned[0], Kind.DATASET, f"what the function of {attribute} returns")
