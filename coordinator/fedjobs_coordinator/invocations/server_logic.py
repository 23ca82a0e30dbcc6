"""Runs the coordinator's programs: server logic, general merges and reports."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedjobs_compute.plans import CoordinatorProgram

if TYPE_CHECKING:
    from fedjobs_compute.graphs import LoadedProgram

_NUMBERS = itertools.count()


class ServerLogic:
    """A program at the coordinator. Leaves that it passes through are not converted.

    The first run of a program with graphs imports TensorFlow.

    Args:
        program: The program.
        label: The label for messages.
    """

    def __init__(self, program: CoordinatorProgram, label: str) -> None:
        self._program = program
        # The number separates tables and variables: computations with different server logic may share a shard.
        self._scope = f"{label}/{next(_NUMBERS)}"

    def results(self, environment: Mapping[str, Any]) -> list[Any]:
        """Runs the program and returns its outputs as arrays.

        Args:
            environment: The values of the leaves, by name.
        """
        leaves = [environment[name] for name in self._program.inputs]
        if not self._program.program.segments:
            return [leaves[i] for i in self._program.program.outputs]
        from fedjobs_compute.tensors import to_array, to_tensor

        count = len(leaves)
        used = {i for segment in self._program.program.segments for i in segment.inputs}
        values = self._loaded([to_tensor(leaf) if i in used else None for i, leaf in enumerate(leaves)])
        outputs = self._program.program.outputs
        return [leaves[n] if n < count else to_array(value) for n, value in zip(outputs, values, strict=True)]

    def run(self, environment: dict[str, Any]) -> None:
        """Runs the program and adds its outputs to the environment."""
        environment |= dict(zip(self._program.outputs, self.results(environment), strict=True))

    @functools.cached_property
    def _loaded(self) -> LoadedProgram:
        from fedjobs_compute.graphs import LoadedProgram, disable_graph_rewriting

        disable_graph_rewriting()
        return LoadedProgram(self._program.program, self._scope)
