"""What is recorded of the nodes that have to do with datasets, resources and functions, to find their contents later.

A function is read before it is known what it is called with. So its nodes are read once, and their contents are found
for each different call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedjobs_verifier.operations import Operation

Source = tuple[str, int, int]
"""Where an input comes from: the node or argument, the number of its output, and the data type."""


@dataclass(frozen=True)
class Step:
    """A node.

    Attributes:
        name: Its name.
        op: Its operation.
        operation: The signature of the operation. None for one that only the silo's file allows.
        values: Its attributes.
        inputs: Its inputs, by the name of the input.
        outputs: The data types of its outputs.
        called: The functions that it names.
    """

    name: str
    op: str
    operation: Operation | None
    values: Mapping[str, Any]
    inputs: Mapping[str, Sequence[Source]]
    outputs: Sequence[int]
    called: Sequence[str]


@dataclass(frozen=True)
class Body:
    """A function.

    Attributes:
        steps: Its nodes that have to do with contents.
        returned: Where its outputs come from.
    """

    steps: Sequence[Step]
    returned: Sequence[Source]
