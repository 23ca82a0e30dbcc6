"""One run of a job's program: what the built-in library asks of a coordinator, and programs that people bring along."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.models import Model
from fedjobs_common.programs import parse_parameters
from fedjobs_compute.graphs import disable_graph_rewriting
from tensorflow_federated.python.core.impl.computation import function_utils

from fedjobs_coordinator.invocations.invocations import Invocations
from fedjobs_coordinator.invocations.silo_data import SiloDataSource
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.invocations.tff_contexts import federated_context
from fedjobs_coordinator.programs import BUILTIN, Program, entrypoints
from fedjobs_coordinator.programs.program_context import ProgramContext
from fedjobs_coordinator.state.checkpoints import Checkpoints


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
        self._loaded: Program | None = None
        program = silos.job.program
        self._parameters = parse_parameters(program.name, program.parameters) if program.name else None

    def load_program(self) -> Program:
        """Imports the job's program, where that has not been done yet.

        Raises:
            FedjobsError: UNKNOWN_PROGRAM, or INVALID_PROGRAM_PARAMETER of an entry point that cannot be imported.
        """
        if self._loaded is None:
            disable_graph_rewriting()
            program = self._silos.job.program
            if program.source:
                sys.path.insert(0, program.source)
            if program.name:
                self._loaded = BUILTIN[program.name]()
            elif program.entrypoint:
                self._loaded = self._entrypoint(program.entrypoint)
            else:
                raise FedjobsError(
                    ErrorCode.UNKNOWN_PROGRAM,
                    "spec.program has neither name nor entrypoint.",
                    "Name a program of the library, or an entry point.",
                )
        return self._loaded

    async def run_program(self) -> None:
        """Runs the job's program to its end.

        Raises:
            FedjobsError: What `load_program` or the program raised, or PROGRAM_FAILED.
            SuspendedError: The coordinator was told to stop.
        """
        await self.load_program()(self)

    def _entrypoint(self, entrypoint: str) -> Program:
        function = entrypoints.load(entrypoint, "spec.program.entrypoint")

        async def run(context: ProgramContext) -> None:
            tff.framework.set_default_context(federated_context(self._invocations))
            result = function(context)
            if asyncio.iscoroutine(result):
                await result

        return run

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
        return SiloDataSource(dataset)

    async def run(self, computation: tff.Computation, *arguments: Any) -> Any:
        argument = function_utils.pack_args(computation.type_signature.parameter, arguments, {})
        result = await asyncio.to_thread(self._invocations.run, computation, argument)
        self._merged_silos = result.silos or self._merged_silos
        return result.value

    async def run_per_silo(self, computation: tff.Computation, *arguments: Any) -> Mapping[str, Any]:
        argument = function_utils.pack_args(computation.type_signature.parameter, arguments, {})
        return await asyncio.to_thread(self._invocations.run_per_silo, computation, argument)

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
