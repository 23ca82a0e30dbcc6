"""Runs a job in one process: the program, the export of its result, and the final status."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import JobUid
from fedjobs_common.jobs.result_manifests import ResultManifest
from fedjobs_common.jobs.statuses import Phase, ResultLocation

from fedjobs_coordinator.coordinator import Coordinator, SuspendedError
from fedjobs_coordinator.process.terminations import InterruptedBySignal, Termination
from fedjobs_coordinator.state.finished_program import FinishedProgram
from fedjobs_coordinator.status.progress import logged_when_unwritten

if TYPE_CHECKING:
    from fedjobs_coordinator.program_runs import Program, ProgramRun
    from fedjobs_coordinator.state.outputs import Output

COMPLETE, FAILED, STORAGE_FAILED, SUSPENDED = 0, 1, 74, 75
"""Exit statuses. 74 and 75 are EX_IOERR and EX_TEMPFAIL of sysexits.h."""
_STORAGE = frozenset({ErrorCode.OUTPUT_UNAVAILABLE, ErrorCode.DISK_FULL})
"""Errors that a person can fix before the next start. All finished rounds are kept."""
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Destination:
    """Where the result is exported to.

    Attributes:
        uri: An fsspec URL of a folder.
        options: A JSON file with options of the file system.
    """

    uri: str
    options: Path | None = None


class JobRun:
    """Runs a job in this process. It continues where an earlier process stopped.

    Args:
        coordinator: The coordinator with the silos.
        termination: Whether the process must stop.
        directory: The coordinator's folder.
        result_dir: The folder where the program writes its result.
        destination: Where the result is exported to. None if it stays in the folder.
        start: A context for the import of the program.
        debug: Whether to log the stack traces of catalogue errors too.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        termination: Termination,
        directory: Path,
        result_dir: Path,
        destination: Destination | None = None,
        *,
        start: AbstractContextManager[object],
        debug: bool = False,
    ) -> None:
        self._coordinator = coordinator
        self._progress = coordinator.progress
        self._termination = termination
        self._directory = directory
        self._result_dir = result_dir
        self._destination = destination
        self._start = start
        self._debug = debug
        self._finished = FinishedProgram(directory, result_dir, JobUid(coordinator.job.uid))

    def run(self) -> int:
        """Runs the job until it ends, writes the outcome to the status, and returns the exit status."""
        try:
            location = self._complete()
        except (SuspendedError, InterruptedBySignal):
            self._ended(Phase.SUSPENDED, "the next start continues after the last finished round")
            return SUSPENDED
        except FedjobsError as error:
            failure = error
            if self._debug:
                _LOG.exception("the job failed")
        except Exception as error:
            _LOG.exception("the job failed")
            name = type(error).__name__
            failure = FedjobsError(ErrorCode.PROGRAM_FAILED, f"{name}: {error}", "See the coordinator's log.")
        else:
            with logged_when_unwritten():
                self._progress.complete(location)
            return COMPLETE
        _LOG.error("failed", code=failure.code.label, error=failure.public)
        if failure.code in _STORAGE:
            self._ended(self._progress.status.phase, failure.public, failure.code.label)
            return STORAGE_FAILED
        self._ended(Phase.FAILED, failure.public, failure.code.label)
        return FAILED

    def _complete(self) -> ResultLocation:
        output = self._output()
        with self._termination.interrupting():
            manifest = self._finished.found()
        if manifest is None:
            if output is not None:
                self._check(output)
            self._run_program()
            with self._termination.interrupting():
                manifest = self._finished.note()
        if output is None:
            return ResultLocation(uri=f"file://{self._result_dir.absolute()}", digest=manifest.digest)
        self._export(output, manifest)
        return ResultLocation(uri=output.uri, digest=manifest.digest)

    def _run_program(self) -> None:
        with self._start:
            self._starts("The program is being imported.")
            program_run, program = self._load_program()
            self._starts("The program is loaded.")
        asyncio.run(program_run.run_program(program))

    # --- the output

    def _output(self) -> Output | None:
        if self._destination is None:
            return None
        from fedjobs_coordinator.state.outputs import Output  # fsspec is not needed without one

        return Output(self._destination.uri, self._destination.options)

    def _check(self, output: Output) -> None:
        """Checks that the output is writable. Only logs an unavailable storage, as the export may succeed later."""
        try:
            with self._termination.interrupting():
                output.check(f".{self._coordinator.job.uid}.check")
        except FedjobsError as error:
            if not error.retryable:
                raise
            _LOG.warning("the output is not available now", code=error.code.label, error=error.public)

    def _export(self, output: Output, manifest: ResultManifest) -> None:
        self._coordinator.dismiss()
        self._progress.phase(Phase.EXPORTING, f"{len(manifest.files)} files to {output.uri}")

        def waiting(error: FedjobsError, seconds: float) -> None:
            _LOG.warning("the export failed, it is retried", code=error.code.label, error=error.public, seconds=seconds)
            with logged_when_unwritten():
                self._progress.phase(Phase.EXPORTING, error.public, error.code.label)

        with self._termination.interrupting():
            output.export(manifest, self._result_dir, on_wait=waiting)

    # --- inside

    def _load_program(self) -> tuple[ProgramRun, Program]:
        """Imports the program while silos connect. The import of TensorFlow Federated takes many seconds.

        Raises:
            SuspendedError: SIGTERM arrived. Nothing else checks for it during the import.
        """
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            with self._termination.interrupting():
                from fedjobs_coordinator.program_runs import ProgramRun

                program_run = ProgramRun(self._coordinator, self._directory, self._result_dir)
                program = program_run.load_program()
        except Exception:
            self._coordinator.check_stopping()  # a module may have converted the interruption to another error
            raise
        self._coordinator.check_stopping()  # or may have ignored it
        return program_run, program

    def _starts(self, message: str) -> None:
        with logged_when_unwritten():
            self._progress.phase(Phase.STARTING, message)

    def _ended(self, phase: Phase, message: str, code: str = "") -> None:
        with logged_when_unwritten():
            self._progress.phase(phase, message, code)
