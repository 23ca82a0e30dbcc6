"""`fedjobs.run`: the command, for Python."""

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
    """Runs a job on this machine, across real silo processes, and waits for its result.

    Args:
        job: The job's file, or its content.
        silos: The silos' file.
        out: Folder of the run; the same folder continues a run that was interrupted. By default one under `runs/`.
        listen_port: The coordinator's port on 127.0.0.1; 0: any free one.
        show: Draws the table of rounds and silos.
        debug: Writes more to the logs in the run's folder.

    Returns:
        The metrics, the model's digest and where the model is.

    Raises:
        FedjobsError: What is wrong with a file, or why the job failed, with the code of the catalogue.
        KeyboardInterrupt: It was interrupted; all its processes have ended, and the same call goes on.
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
