"""`fedjobs.run`: the Python counterpart of the command `fedjobs run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError, code_of
from fedjobs_common.jobs.statuses import Phase
from rich.console import Console

from fedjobs import results, runs, status_follower, tables
from fedjobs.exits import Exit
from fedjobs.results import RunResult

_CODES: dict[int, ErrorCode] = {Exit.ENVIRONMENT: ErrorCode.PORT_IN_USE}


def run(
    job: str | Path | Mapping[str, Any],
    silos: str | Path,
    out: str | Path | None = None,
    *,
    listen_port: int = 0,
    show: bool = True,
    debug: bool = False,
) -> RunResult:
    """Runs a job on this machine, with one process for each silo, and waits for its result.

    Args:
        job: The path of the job file, or the job as a mapping.
        silos: The path of the YAML file with the silo files.
        out: The run's folder. Passing the folder of an interrupted run continues that run. The default is a folder
            under `runs/`.
        listen_port: The coordinator's port on 127.0.0.1. 0 chooses a free port.
        show: Whether to show the table of rounds and silos.
        debug: Whether to write more detailed logs to the run's folder.

    Returns:
        The metrics, the model's digest and the paths of the model.

    Raises:
        FedjobsError: A file is invalid, or the job failed. The error has a code of the error catalogue.
        KeyboardInterrupt: The run was interrupted, and all its processes have ended. Call `run` again with the same
            arguments to continue.
    """
    with tables.view(Console(quiet=not show)) as shown:
        outcome = runs.run(
            dict(job) if isinstance(job, Mapping) else Path(job),
            Path(silos),
            None if out is None else Path(out),
            listen_port=listen_port,
            debug=debug,
            on_status=shown.status,
            on_event=shown.event,
        )
    if outcome.exit_code == Exit.INTERRUPTED:
        raise KeyboardInterrupt(outcome.message)
    if outcome.exit_code != Exit.DONE:
        status = status_follower.read_status(outcome.directory / "coordinator")
        if status is not None and status.phase is Phase.FAILED and status.code:
            raise FedjobsError(code_of(status.code), status.message)
        raise FedjobsError(_CODES.get(outcome.exit_code, ErrorCode.PROGRAM_FAILED), outcome.message)
    return results.read(outcome.directory)
