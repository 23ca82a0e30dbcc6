"""Runs a job on this machine: the implementation of `fedjobs run` and `fedjobs.run`.

The same call continues a run that was interrupted or killed. For a complete run, it returns immediately.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import fedjobs_api as api
from fedjobs_common import processes
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import Phase, PhaseEvent, ProgressEvent, Status
from fedjobs_protocol.hub.job_invitations import invitation_to
from fedjobs_protocol.identities.identities import server_name
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile

from fedjobs import run_folder_layout
from fedjobs.folders import RunFolder
from fedjobs.launcher import LocalSilos, coordinator, end_coordinator
from fedjobs.restarts import over_for
from fedjobs.results import is_complete
from fedjobs.slow_starts import SlowStart
from fedjobs.status_follower import Follower, read_status
from fedjobs.supervisor import STARTED_AGAIN, Supervised, end_leftovers, forget

DONE, FAILED, ENVIRONMENT, INTERRUPTED = 0, 1, 4, 130
"""The exit codes of an outcome, as in the `fedjobs` command."""
_STORAGE_FAILED = 74  # the coordinator cannot write, for example because a disk is full, after retries
_LOOK_EVERY_S = 0.1
_LEFTOVERS_GRACE_S = 15.0  # a process whose parent crashed exits within 10 s
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        exit_code: 0 complete, 1 failed, 4 a problem with the machine, 130 interrupted.
        message: What happened, for the user.
        directory: The run's folder.
    """

    exit_code: int
    message: str
    directory: Path


def run(
    job: Path | Mapping[str, Any],
    silos: Path,
    out: Path | None = None,
    listen_port: int = 0,
    debug: bool = False,
    on_status: Callable[[Status], object] | None = None,
    on_event: Callable[[ProgressEvent], object] | None = None,
) -> RunOutcome:
    """Runs a job with one process for each silo on this machine, and returns when the job ends.

    Args:
        job: The path of a job file, or the job as a mapping.
        silos: The path of the YAML file with the silo files, one document for each silo.
        out: The run's folder. The default is `runs/<name of the job>`.
        listen_port: The coordinator's port on 127.0.0.1. 0 chooses the port of the last start, or a free one.
        debug: Whether the processes write more detailed logs.
        on_status: Called with each new status of the coordinator.
        on_event: Called with each new progress event of the coordinator. Events of earlier starts are skipped.

    Raises:
        FedjobsError: An input is invalid (INVALID_JOB, INVALID_PROGRAM_PARAMETER, UNKNOWN_PROGRAM, INVALID_SILO_FILE),
            another job (INVALID_JOB) or another process (ALREADY_RUNNING) uses the folder, or the port is in use
            (PORT_IN_USE).
    """
    manifest = api.parse(job) if isinstance(job, Mapping) else api.load(job)
    base = Path.cwd() if isinstance(job, Mapping) else run_folder_layout.absolute(job).parent
    files = {file.silo: file for file in silo_files.load_all(silos)}
    resolved = api.resolve(manifest, sorted(files), folder=base)
    folder = RunFolder(run_folder_layout.absolute(out or Path("runs") / resolved.name))
    with run_folder_layout.locked(folder):
        resolved = run_folder_layout.lay_out(folder, resolved)
        if is_complete(folder):
            return RunOutcome(DONE, f"The run is complete. Its result is in {folder.result}.", folder.root)
        end_leftovers(folder.processes, _LEFTOVERS_GRACE_S)
        address = f"{run_folder_layout.HOST}:{run_folder_layout.choose_port(folder, listen_port)}"
        look = _looking(folder, on_status, on_event)
        with _registered(folder), _signals() as interrupted:
            code = _run(folder, resolved, files, address, manifest.spec.backoff_limit, debug, look, interrupted)
        return _outcome(folder, code, address, interrupted.is_set())


def _run(
    folder: RunFolder,
    job: ResolvedJob,
    files: Mapping[str, SiloFile],
    address: str,
    restarts: int,
    debug: bool,
    look: Callable[[], None],
    interrupted: threading.Event,
) -> int | None:
    """Starts all processes, waits for the coordinator, and stops all processes. Returns the coordinator's exit code."""
    before = read_status(folder.coordinator)
    earlier_generation = before.generation if before is not None else 0
    silos = LocalSilos(
        folder.root,
        job.silos,
        invitation_to(job, address=address, server_name=server_name(job.uid)),
        run_folder_layout.authority_of(folder),
        files=files,
        is_over=lambda silo: over_for(silo, read_status(folder.coordinator), earlier_generation),
        debug=debug,
    )
    # The coordinator starts first because its imports take longest.
    supervised = Supervised(coordinator(folder, address, restarts, debug=debug), folder.processes)
    try:
        silos.start()
        while supervised.wait(_LOOK_EVERY_S) is None and not interrupted.is_set():
            look()
    finally:
        end_coordinator(supervised)
        silos.stop()
    look()
    return supervised.exit_code


def _looking(
    folder: RunFolder,
    on_status: Callable[[Status], object] | None,
    on_event: Callable[[ProgressEvent], object] | None,
) -> Callable[[], None]:
    follower = Follower(folder.coordinator, from_now=True)
    slow_start = SlowStart(folder.logs / "coordinator.log", time.monotonic())
    last: Status | None = None

    def look() -> None:
        nonlocal last
        for event in follower.events():
            if on_event is not None:
                on_event(event)
        if (status := follower.status()) is not None:
            last = status
            if on_status is not None:
                on_status(status)
        if message := slow_start.message(last, time.monotonic()):
            if on_event is not None:
                on_event(PhaseEvent(time=time.time(), phase=Phase.STARTING, message=message))
            if on_status is not None and last is not None:
                on_status(last.model_copy(update={"message": message}))

    return look


def _outcome(folder: RunFolder, code: int | None, address: str, interrupted: bool) -> RunOutcome:
    status = read_status(folder.coordinator)
    log = folder.logs / "coordinator.log"
    again = "Run the same command again to continue."
    if code == 0 and is_complete(folder):
        return RunOutcome(DONE, f"The run is complete. Its result is in {folder.result}.", folder.root)
    if interrupted or code == 75:
        after = f" after round {status.round}" if status is not None and status.round else ""
        return RunOutcome(INTERRUPTED, f"The run was interrupted{after}. {again}", folder.root)
    if code == 4:
        return RunOutcome(ENVIRONMENT, _last_line(log) or f"The coordinator cannot listen on {address}.", folder.root)
    if status is not None and (
        (code == 1 and status.phase is Phase.FAILED) or (code == _STORAGE_FAILED and status.code)
    ):
        return RunOutcome(FAILED, f"{status.code}: {status.message}" if status.code else status.message, folder.root)
    last = f" The last line is: {words}" if (words := _last_line(log)) else ""
    return RunOutcome(FAILED, f"The coordinator crashed (exit code {code}). See its log {log}.{last}", folder.root)


def _last_line(log: Path) -> str:
    text = log.read_text("utf-8", errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines and STARTED_AGAIN not in lines[-1] else ""


@contextmanager
def _registered(folder: RunFolder) -> Iterator[None]:
    processes.register(folder.processes, "client")
    try:
        yield
    finally:
        forget(folder.processes, os.getpid())


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yields an event that SIGINT, SIGTERM and SIGHUP set, so that all processes can be stopped in order."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # Python sets signal handlers only in the main thread
        yield interrupted
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
