"""The built-in programs: what a job does, round by round.

Importing this package is cheap: TensorFlow Federated is imported when a program starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fedjobs_coordinator.programs.program_context import ProgramContext

Program = Callable[[ProgramContext], Awaitable[None]]


async def _fedavg(context: ProgramContext) -> None:
    from fedjobs_coordinator.programs import fedavg

    await fedavg.run(context)


async def _evaluate(context: ProgramContext) -> None:
    from fedjobs_coordinator.programs import evaluate

    await evaluate.run(context)


BUILTIN: Mapping[str, Program] = {"fedavg": _fedavg, "evaluate": _evaluate}
"""The library, by the name in a manifest; its parameters are in `fedjobs_common.programs`."""
