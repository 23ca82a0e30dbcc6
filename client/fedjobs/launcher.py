"""Starts the processes of a run on this machine, keeps them running, and stops them.

A run has one coordinator, one worker for each silo, and one runner host for all silos. The runner host imports
TensorFlow once and forks the runners. All processes start at once: workers connect while others import TensorFlow.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from fedjobs_common.files import write_atomically
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import RunAuthority
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile

from fedjobs.folders import RunFolder
from fedjobs.restarts import RestartPolicy
from fedjobs.run_folder_layout import absolute
from fedjobs.supervisor import Program, Supervised, end_all, end_leftovers

COORDINATOR_FINAL = frozenset({0, 1, 4, 75})
"""The exit codes for complete, failed, port in use and suspended. Any other exit code means that it crashed."""
_WORKER_FINAL = frozenset({3})  # the silo file is invalid; a worker also exits with 0 when it is stopped
_LONGEST_SOCKET_PATH = 99  # bytes; the kernel's limit is 107
_GRACE_S = 5.0
_COORDINATOR_GRACE_S = 20.0


class LocalSilos:
    """The silos' side of a run: a runner host, and a worker for each silo.

    Args:
        directory: The run's folder.
        silo_names: The names of all silos.
        invitation: The invitation that all silos receive. The coordinator need not listen yet.
        authority: Issues the silos' certificates.
        files: The silo files by name. A silo without a file has no data and works on what the program sends it.
        is_over: Returns whether the job is over for a silo. Its worker is not restarted then.
        debug: Whether the workers write more detailed logs.
    """

    def __init__(
        self,
        directory: Path,
        silo_names: Sequence[str],
        invitation: Invitation,
        authority: RunAuthority,
        *,
        files: Mapping[str, SiloFile] | None = None,
        is_over: Callable[[str], bool] = lambda _: False,
        debug: bool = False,
    ) -> None:
        self._folder = RunFolder(absolute(directory))
        self._names = list(silo_names)
        self._authority = authority
        self._files = dict(files or {})
        self._is_over = is_over
        self._debug = debug
        self._invitation = invitation
        self._socket_folder: Path | None = None
        self._running: list[Supervised] = []

    def start(self) -> None:
        """Starts all processes, and returns without waiting for them."""
        self._folder.processes.mkdir(parents=True, exist_ok=True)
        self._folder.logs.mkdir(exist_ok=True)
        socket_path = self._socket()
        try:
            self._start(self._runner_host(socket_path))
            for name in self._names:
                self._lay_out(name)
                self._start(self._worker(name, socket_path))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops all processes that were started. Can be called more than once."""
        running, self._running = self._running, []
        if running:
            end_all(running, _GRACE_S)
            end_leftovers(self._folder.processes, _GRACE_S)
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, program: Program) -> None:
        self._running.append(Supervised(program, self._folder.processes))

    def _lay_out(self, name: str) -> None:
        """Writes a silo's files for this run. The silo file may have changed since an earlier start."""
        silo = self._folder.silo(name)
        silo.state.mkdir(parents=True, exist_ok=True)
        file = self._files.get(name) or SiloFile(silo=name)
        write_atomically(silo.silo_file, silo_files.dump(file).encode())
        # No secret: all silos belong to the person who runs the job, and the same seed gives the same result again.
        write_atomically(silo.sampling_secret, f"fedjobs run {name}".encode())
        write_atomically(silo.invitation, self._invitation.model_dump_json(by_alias=True, indent=2).encode())
        self._authority.issue_silo(self._invitation.job_uid, name).save(silo.tls)

    def _socket(self) -> str:
        """Returns the path of the runner host's socket: in the run's folder, unless that path is too long."""
        path = self._folder.root / "runner.sock"
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="fedjobs-"))
            path = self._socket_folder / "runner.sock"
        return str(path)

    def _runner_host(self, socket_path: str) -> Program:
        threads = max(1, len(os.sched_getaffinity(0)) // max(1, len(self._names)))
        arguments = ["-m", "fedjobs_worker.runner", "--listen", socket_path]
        arguments += ["--processes", str(self._folder.processes), "--threads", str(threads), "--lifeline"]
        return Program(
            "runner-host",
            None,
            (*arguments, *(["--debug"] if self._debug else [])),
            self._folder.logs / "runner-host.log",
            RestartPolicy(frozenset()),
        )

    def _worker(self, name: str, socket_path: str) -> Program:
        silo = self._folder.silo(name)
        arguments = ["-m", "fedjobs_worker", "--silo-file", str(silo.silo_file), "--invitation", str(silo.invitation)]
        arguments += ["--sampling-secret", str(silo.sampling_secret)]
        arguments += ["--tls", str(silo.tls), "--state", str(silo.state), "--runner-socket", socket_path]
        arguments += ["--processes", str(self._folder.processes), "--audit", str(silo.audit), "--lifeline"]
        arguments += ["--pending", str(silo.pending), "--approvals", str(silo.approvals)]
        return Program(
            "worker",
            name,
            (*arguments, *(["--debug"] if self._debug else [])),
            self._folder.logs / f"worker-{name}.log",
            RestartPolicy(_WORKER_FINAL),
            wanted=lambda: not self._is_over(name),
        )


def coordinator(folder: RunFolder, address: str, restarts: int, *, debug: bool = False) -> Program:
    """Returns the program of a run's coordinator.

    Args:
        folder: The run's folder.
        address: The `host:port` to listen on.
        restarts: The maximum number of restarts after a crash, which is the job's `backoffLimit`.
        debug: Whether the coordinator writes more detailed logs, with stack traces.
    """
    arguments = ["-m", "fedjobs_coordinator", "--job", str(folder.job), "--dir", str(folder.coordinator)]
    arguments += ["--listen", address, "--result", str(folder.result)]
    arguments += ["--processes", str(folder.processes), "--lifeline"]
    return Program(
        "coordinator",
        None,
        (*arguments, *(["--debug"] if debug else [])),
        folder.logs / "coordinator.log",
        RestartPolicy(COORDINATOR_FINAL, restarts),
    )


def end_coordinator(supervised: Supervised) -> None:
    """Stops the coordinator. Call this before the silos stop: the coordinator tells them that the job is over."""
    end_all([supervised], _COORDINATOR_GRACE_S)
