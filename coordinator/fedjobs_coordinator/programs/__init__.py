"""The built-in programs: what a job does, round by round.

Importing this package is cheap: TensorFlow Federated is imported when a program is loaded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fedjobs_coordinator.programs.program_context import ProgramContext

Program = Callable[[ProgramContext], Awaitable[None]]


def _fedavg() -> Program:
    from fedjobs_coordinator.programs import fedavg

    return fedavg.run


def _evaluate() -> Program:
    from fedjobs_coordinator.programs import evaluate

    return evaluate.run


BUILTIN: Mapping[str, Callable[[], Program]] = {"fedavg": _fedavg, "evaluate": _evaluate}
"""Imports a program of the library, by its name in a manifest; the parameters are in `fedjobs_common.programs`."""
