"""Starts the processes of a run on this machine, keeps them running, and ends them.

A coordinator, one runner host for all silos (TensorFlow is imported once and shared by forking), and a worker for each.
All start at once: workers connect while TensorFlow is still being imported elsewhere.
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
"""Complete, failed, port in use, suspended; any other exit code of a coordinator is a crash."""
_WORKER_FINAL = frozenset({3})  # its silo's file is invalid; it ends with 0 also when somebody ends it
_LONGEST_SOCKET_PATH = 99  # bytes; the kernel takes 107
_GRACE_S = 5.0
_COORDINATOR_GRACE_S = 20.0


class LocalSilos:
    """The silos' side of a run: a runner host, and a worker for each silo.

    Args:
        directory: Folder of the run.
        silo_names: All silos.
        invitation: What all are told of the job; the coordinator need not be there yet.
        authority: Issues their certificates.
        files: The silos' own files. A silo without one has no data of its own, and works on what the program gives it.
        is_over: Whether the job is over for a silo: its worker is not started again then.
        debug: Workers log more.
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
        """Starts everything, and returns at once."""
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
        """Ends everything that was started; may be called again."""
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
        """Writes what a silo gets for this run; its file may have changed since an earlier start."""
        silo = self._folder.silo(name)
        silo.state.mkdir(parents=True, exist_ok=True)
        file = self._files.get(name) or SiloFile(silo=name)
        write_atomically(silo.silo_file, silo_files.dump(file).encode())
        write_atomically(silo.invitation, self._invitation.model_dump_json(by_alias=True, indent=2).encode())
        self._authority.issue_silo(self._invitation.job_uid, name).save(silo.tls)

    def _socket(self) -> str:
        """Path of the runner host's socket, in the run's folder where that is not too long for a socket's name."""
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
    """The process of a run's coordinator.

    Args:
        folder: Of the run.
        address: `host:port` to listen at.
        restarts: How often it is started again after a crash, the job's `backoffLimit`.
        debug: It logs more, and stack traces.
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
    """Ends it before the silos, so that it can say to them that the job is over, and save what it has."""
    end_all([supervised], _COORDINATOR_GRACE_S)
