"""One run of a job's program: what the built-in library asks of a coordinator, and programs that people bring along.

TensorFlow Federated, which takes long to import, is imported when a program does so, or asks for what needs it.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.models import Model
from fedjobs_common.programs import parse_parameters
from fedjobs_compute.plan_files import SavedPlan

from fedjobs_coordinator.invocations.invocations import Invocations
from fedjobs_coordinator.invocations.late_imports import when_imported
from fedjobs_coordinator.invocations.silo_references import SiloData
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.programs import BUILTIN, entrypoints
from fedjobs_coordinator.programs.results import write_result
from fedjobs_coordinator.state.checkpoints import Checkpoints

if TYPE_CHECKING:
    import tensorflow_federated as tff

    from fedjobs_coordinator.invocations.silo_data import SiloDataSource

_TFF = "tensorflow_federated"

Program = Callable[["ProgramRun"], Awaitable[None] | None]
"""A program of the library, or an entry point. `load_program` imports it, `run_program` runs it."""


class ProgramRun:
    """A `fedjobs_coordinator.programs.program_context.ProgramContext`.

    Args:
        silos: Of the job.
        directory: The coordinator's folder.
        result_dir: Where the program writes its result.
    """

    def __init__(self, silos: Silos, directory: Path, result_dir: Path) -> None:
        self._silos = silos
        self._invocations = Invocations(silos)
        self._checkpoints = Checkpoints(directory / "checkpoints")
        self._result_dir = result_dir
        self._merged_silos: tuple[SiloName, ...] = ()
        program = silos.job.program
        self._parameters = parse_parameters(program.name, program.parameters) if program.name else None

    def load_program(self) -> Program:
        """Imports the job's program, and with it what it imports itself: with TFF this takes many seconds.

        Returns:
            What `run_program` takes.

        Raises:
            FedjobsError: There is no such program, or it cannot be imported.
        """
        program = self._silos.job.program
        if program.source:
            sys.path.insert(0, program.source)
        if program.name:
            from fedjobs_compute.graphs import disable_graph_rewriting

            disable_graph_rewriting()
            return BUILTIN[program.name]()
        if program.entrypoint:
            return entrypoints.load(program.entrypoint, "spec.program.entrypoint")
        raise FedjobsError(
            ErrorCode.UNKNOWN_PROGRAM,
            "spec.program has neither name nor entrypoint.",
            "Name a program of the library, or an entry point.",
        )

    async def run_program(self, program: Program) -> None:
        """Runs the job's program to its end.

        Args:
            program: What `load_program` returned.

        Raises:
            FedjobsError: What the program raised, or PROGRAM_FAILED.
            SuspendedError: The coordinator was told to stop.
        """
        own = self._silos.job.program.entrypoint
        with when_imported(_TFF, self._become_the_context) if own else nullcontext():
            result = program(self)
            if inspect.isawaitable(result):
                await result

    def _become_the_context(self) -> None:
        """Computations that the program calls by themselves run over the silos."""
        import tensorflow_federated as tff
        from fedjobs_compute.graphs import disable_graph_rewriting

        from fedjobs_coordinator.invocations.tff_contexts import federated_context

        disable_graph_rewriting()
        tff.framework.set_default_context(federated_context(self._invocations))

    # --- ProgramContext

    @property
    def job(self) -> ResolvedJob:
        return self._silos.job

    @property
    def parameters(self) -> Model:
        if self._parameters is None:
            raise TypeError("an entry point has no parameters of the library's")
        return self._parameters

    @property
    def result_dir(self) -> Path:
        return self._result_dir

    def data(self, dataset: str) -> SiloDataSource:
        from fedjobs_coordinator.invocations.silo_data import SiloDataSource

        return SiloDataSource(dataset)

    async def run(self, computation: tff.Computation, *arguments: Any) -> Any:
        return await self._run(computation, _packed(computation, arguments))

    async def run_per_silo(self, computation: tff.Computation, *arguments: Any) -> Mapping[str, Any]:
        return await asyncio.to_thread(self._invocations.run_per_silo, computation, _packed(computation, arguments))

    async def _run(self, computation: tff.Computation | SavedPlan, argument: Any) -> Any:
        result = await asyncio.to_thread(self._invocations.run, computation, argument)
        self._merged_silos = result.silos or self._merged_silos
        return result.value

    async def load(self) -> tuple[int, Any] | None:
        loaded = await asyncio.to_thread(self._checkpoints.load)
        parameters = self._parameters
        self._silos.progress.rounds(loaded[0] if loaded else 0, int(getattr(parameters, "rounds", 0)))
        return loaded

    async def save(self, version: int, state: Any) -> None:
        await asyncio.to_thread(self._checkpoints.save, version, state)
        await asyncio.to_thread(self._silos.mark_durable)

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:  # noqa: A002 - the domain's word
        self._silos.progress.round_finished(round, dict(metrics), list(self._merged_silos))

    def silos(self) -> Sequence[str]:
        return self._merged_silos

    # --- what entry points have besides, without TFF

    def select(self, dataset: str, seed: int = 0) -> SiloData:
        """A reference to the data of all silos of the next cohort, for `run_plan`.

        Args:
            dataset: The name under which silos offer them.
            seed: Decides which of its local clients a silo takes where it samples. 0 <= seed < 2**63.
        """
        return SiloData(dataset, seed)

    async def run_plan(self, plan: SavedPlan, *arguments: Any) -> Mapping[str, Any]:
        """Runs a plan from a file once over the silos, see `fedjobs_compute.plan_files.load`.

        Args:
            plan: What to run.
            arguments: One for each parameter of the computation. At the clients: what `select` gave. Else:
                an array, or a mapping from paths to arrays where it is a structure of them.

        Returns:
            Arrays, by their path in the computation's result; a result that is one tensor has the path `value`.
        """
        value: Mapping[str, Any] = await self._run(plan, arguments)
        return value

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Writes `result.json` into the result's folder, durably: the last thing that a program does."""
        write_result(self._result_dir, result)


def _packed(computation: tff.Computation, arguments: Sequence[Any]) -> Any:
    from tensorflow_federated.python.core.impl.computation import function_utils

    # The thread that runs the computation needs it, and must import nothing.
    from fedjobs_coordinator.invocations import computation_bindings  # noqa: F401

    return function_utils.pack_args(computation.type_signature.parameter, arguments, {})
