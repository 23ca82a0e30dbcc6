"""Runs a job's program, built-in or from an entry point, and implements its context.

TensorFlow Federated, whose import is slow, is imported only if the program imports it or uses something that needs it.
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
    from fedjobs_coordinator.tff_programs.managers import Managers

_TFF = "tensorflow_federated"

Program = Callable[["ProgramRun"], Awaitable[None] | None]
"""A built-in program or an entry point. `load_program` imports it, and `run_program` runs it."""


class ProgramRun:
    """Runs the program of a job. It implements `fedjobs_coordinator.programs.program_context.ProgramContext`.

    Args:
        silos: The silos of the job.
        directory: The coordinator's folder.
        result_dir: The folder where the program writes its result.
    """

    def __init__(self, silos: Silos, directory: Path, result_dir: Path) -> None:
        self._silos = silos
        self._invocations = Invocations(silos)
        self._directory = directory
        self._checkpoints = Checkpoints(directory / "checkpoints")
        self._managers: Managers | None = None
        self._result_dir = result_dir
        program = silos.job.program
        self._parameters = parse_parameters(program.name, program.parameters) if program.name else None

    def load_program(self) -> Program:
        """Imports the job's program and returns it. If the program imports TFF, this takes many seconds.

        Raises:
            FedjobsError: The program does not exist, or cannot be imported.
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
            "Set spec.program.name or spec.program.entrypoint.",
        )

    async def run_program(self, program: Program) -> None:
        """Runs the job's program until it returns.

        Args:
            program: The program, from `load_program`.

        Raises:
            FedjobsError: The error that the program raised, or PROGRAM_FAILED.
            SuspendedError: The coordinator was told to stop.
        """
        own = self._silos.job.program.entrypoint
        with when_imported(_TFF, self._become_the_context) if own else nullcontext():
            result = program(self)
            if inspect.isawaitable(result):
                await result
            if self._managers is not None:
                await self._managers.finish()

    def _become_the_context(self) -> None:
        """Installs the default TFF context, so that computations that the program calls run over the silos."""
        import tensorflow_federated as tff
        from fedjobs_compute.graphs import disable_graph_rewriting

        from fedjobs_coordinator.invocations.tff_contexts import federated_context

        disable_graph_rewriting()
        tff.framework.set_default_context(federated_context(self._invocations, self._wait_for_saves))

    async def _wait_for_saves(self) -> None:
        if self._managers is not None:
            await self._managers.work.wait_for_saves()

    # --- ProgramContext

    @property
    def job(self) -> ResolvedJob:
        return self._silos.job

    @property
    def parameters(self) -> Model:
        if self._parameters is None:
            raise TypeError("an entry point has no parameter model")
        return self._parameters

    @property
    def result_dir(self) -> Path:
        return self._result_dir

    def data(self, dataset: str, type_: tff.FederatedType | None = None) -> SiloDataSource:
        from fedjobs_coordinator.invocations.silo_data import SiloDataSource

        return SiloDataSource(dataset, type_)

    async def run(self, computation: tff.Computation, *arguments: Any) -> Any:
        return await self._run(computation, _packed(computation, arguments))

    async def run_with_silos(self, computation: tff.Computation, *arguments: Any) -> tuple[Any, Mapping[str, Any]]:
        packed = _packed(computation, arguments)
        await self._wait_for_saves()
        result = await asyncio.to_thread(self._invocations.run_with_silos, computation, packed)
        return result.value, result.by_silo

    async def _run(self, computation: tff.Computation | SavedPlan, argument: Any) -> Any:
        await self._wait_for_saves()
        return (await asyncio.to_thread(self._invocations.run, computation, argument)).value

    async def load(self) -> tuple[int, Any] | None:
        loaded = await asyncio.to_thread(self._checkpoints.load)
        self._silos.mark_loaded(loaded[0] if loaded else 0)
        parameters = self._parameters
        self._silos.progress.rounds(loaded[0] if loaded else 0, int(getattr(parameters, "rounds", 0)))
        return loaded

    async def save(self, version: int, state: Any) -> None:
        await asyncio.to_thread(self._checkpoints.save, version, state)
        await asyncio.to_thread(self._silos.mark_durable, version)

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:  # noqa: A002 - the domain's word
        self._silos.progress.round_finished(round, dict(metrics), list(self._invocations.merged_silos))

    def silos(self) -> Sequence[str]:
        return self._invocations.merged_silos

    # --- additional methods for entry points with `tff.program`

    def state_manager(self) -> tff.program.ProgramStateManager:
        """Returns a manager that saves the program's state durably. The next computation starts after the save."""
        return self._tff_managers().state()

    def metrics_manager(self) -> tff.program.ReleaseManager:
        """Returns a manager that reports the numbers in a value as the metrics of a round. The key is the round."""
        return self._tff_managers().metrics()

    def files_manager(self) -> tff.program.ReleaseManager:
        """Returns a manager that writes the arrays of a value to `KEY.safetensors` in the folder of the result."""
        return self._tff_managers().files()

    def reliable(self, manager: tff.program.ReleaseManager, name: str) -> tff.program.ReleaseManager:
        """Returns a manager that releases to another one after the state is durable. A failure fails the job.

        Args:
            manager: Another release manager, for example `tff.program.TensorBoardReleaseManager`.
            name: A name of this manager in the program. It must be the same after a restart.
        """
        return self._tff_managers().reliable(manager, name)

    def _tff_managers(self) -> Managers:
        if self._managers is None:
            from fedjobs_coordinator.tff_programs.managers import Managers

            self._managers = Managers(self._directory, self._checkpoints, self._silos, self, self._result_dir)
        return self._managers

    # --- additional methods for entry points without TFF

    def select(self, dataset: str, seed: int = 0) -> SiloData:
        """Returns a reference to a dataset of all silos of the next cohort, for `run_plan`.

        Args:
            dataset: The name of the silos' dataset.
            seed: The seed for the sampling of local clients, if a silo samples. 0 <= seed < 2**63.
        """
        return SiloData(dataset, seed)

    async def run_plan(self, plan: SavedPlan, *arguments: Any) -> Mapping[str, Any]:
        """Runs a plan from a file once over the silos, see `fedjobs_compute.plan_files.load`.

        Args:
            plan: The plan.
            arguments: One argument for each parameter of the computation. A reference from `select` for a parameter at
                CLIENTS. Otherwise an array, or a mapping from paths to arrays for a structure.

        Returns:
            The arrays by their path in the computation's result. The path of a single tensor is `value`.
        """
        value: Mapping[str, Any] = await self._run(plan, arguments)
        return value

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Writes `result.json` durably to the folder of the result. A program must do this last."""
        write_result(self._result_dir, result)


def _packed(computation: tff.Computation, arguments: Sequence[Any]) -> Any:
    from tensorflow_federated.python.core.impl.computation import function_utils

    # The thread that runs the computation needs this module and must not import it itself.
    from fedjobs_coordinator.invocations import computation_bindings  # noqa: F401

    return function_utils.pack_args(computation.type_signature.parameter, arguments, {})
