"""The built-in programs.

The import of this package is fast. Loading a program imports TensorFlow Federated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fedjobs_coordinator.programs.program_context import ProgramContext

BuiltinProgram = Callable[[ProgramContext], Awaitable[None]]


def _fedavg() -> BuiltinProgram:
    from fedjobs_coordinator.programs import fedavg

    return fedavg.run


def _evaluate() -> BuiltinProgram:
    from fedjobs_coordinator.programs import evaluate

    return evaluate.run


BUILTIN: Mapping[str, Callable[[], BuiltinProgram]] = {"fedavg": _fedavg, "evaluate": _evaluate}
"""Functions that import a built-in program, by its name in a manifest. `fedjobs_common.programs` has the parameters."""
