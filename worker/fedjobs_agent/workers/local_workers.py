"""Workers as processes of this machine: one session and one runner host for each job.

The processes end with the agent. A worker stores the state of its job in a folder, so that the agent and the machine
can be restarted.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from fedjobs_common.files import write_atomically
from fedjobs_worker import termination_message
from fedjobs_worker.runner.sampling_secrets import FILE, sampling_secret
from fedjobs_worker.runner.sandbox import limits
from fedjobs_worker.silo_files import SiloFile
from fedjobs_worker.termination_message import LastWord

from fedjobs_agent.config import AgentConfig
from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning import names
from fedjobs_agent.planning.observations import Worker, WorkerPod
from fedjobs_agent.planning.planner import Start
from fedjobs_agent.workers.runner_hosts import RunnerHost

GRACE_S = 50.0
_LOG = structlog.get_logger()


@dataclass
class _Process:
    worker: Worker
    session: subprocess.Popen[bytes]
    runner: RunnerHost
    folder: Path
    ending: bool = False
    ended_at: float | None = None


class LocalWorkers:
    """The workers of a silo on a machine without Kubernetes.

    Args:
        config: The agent's configuration.
        folder: The folder for the workers' files.
        debug: Whether workers write more detailed logs.
        trusts_job_owners: Whether runners run without isolation, where the machine offers none.
    """

    def __init__(
        self, config: AgentConfig, folder: Path, *, debug: bool = False, trusts_job_owners: bool = False
    ) -> None:
        self._config = config
        self._folder = folder
        self._debug = ["--debug"] if debug else []
        self._lock = threading.Lock()
        self._processes: dict[str, _Process] = {}
        self._changed: Callable[[], object] = lambda: None
        self._closed = threading.Event()
        self._sockets = Path(tempfile.mkdtemp(prefix="fedjobs-"))  # the path of a socket must be short
        self._numbers = itertools.count()
        self._isolation = [] if trusts_job_owners else ["--require-isolation"]

    def observed(self) -> tuple[Sequence[Worker], Sequence[WorkerPod]]:
        with self._lock:
            processes = list(self._processes.values())
        return [_worker(each) for each in processes], [_pod(each) for each in processes]

    def start(self, start: Start, silo: SiloFile, credentials: Credentials) -> bool:
        received = start.received
        invitation = received.invitation
        name = names.worker(invitation.job_name, invitation.job_uid, received.silo)
        with self._lock:
            if name in self._processes:
                return False
            folder = self._folder / "workers" / name
            (folder / "state").mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "last-word").unlink(missing_ok=True)
            write_atomically(folder / "invitation.json", invitation.model_dump_json(by_alias=True).encode())
            write_atomically(folder / "token", credentials.token.encode())
            write_atomically(folder / "ca.crt", credentials.trust)
            path = str(self._sockets / f"{next(self._numbers)}.sock")
            runner = self._runner_host(path, silo, self._folder / "logs" / f"{name}-runner.log")
            try:
                arguments = self._arguments(start, folder, credentials, path)
                session = self._spawned(arguments, self._folder / "logs" / f"{name}.log")
            except OSError:
                runner.close()
                raise
            worker = Worker(name=name, uid=str(session.pid), invitation_id=received.id)
            process = self._processes[name] = _Process(worker, session, runner, folder)
        threading.Thread(target=self._wait_for, args=(process,), name=name, daemon=True).start()
        return True

    def end(self, worker: Worker, *, at_once: bool) -> None:
        with self._lock:
            process = self._processes.get(worker.name)
            if process is None or process.worker.uid != worker.uid:
                return
            process.ending = True
            if process.ended_at is not None:
                self._forget(process)
            elif at_once:
                process.session.kill()
            else:
                process.session.terminate()

    def hindrance(self, worker: Worker) -> str:  # noqa: ARG002 (a process starts immediately or not at all)
        return ""

    def watch(self, changed: Callable[[], object], stopping: threading.Event) -> None:  # noqa: ARG002 (daemon threads)
        self._changed = changed

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            processes = list(self._processes.values())
            running = [process.session for process in processes if process.ended_at is None]
            for session in running:
                session.terminate()
        deadline = time.monotonic() + GRACE_S
        for session in running:
            try:
                session.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                session.kill()
        for process in processes:
            process.runner.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _runner_host(self, path: str, silo: SiloFile, log: Path) -> RunnerHost:
        machine, own = limits.of_this_machine(), silo.runner
        memory, threads = own.memory_limit_bytes or machine.memory, own.thread_limit or machine.threads
        arguments = ["fedjobs_worker.runner", "--listen", path, "--lifeline", *self._isolation, *self._debug]
        arguments += ["--most-memory", str(memory), "--most-threads", str(threads)]
        if silo.runner.threads is not None:
            arguments += ["--threads", str(silo.runner.threads)]
        return RunnerHost(lambda: self._spawned(arguments, log))

    def _arguments(self, start: Start, folder: Path, credentials: Credentials, runner: str) -> list[str]:
        arguments = ["fedjobs_worker", "--silo-file", str(self._config.silo_file)]
        arguments += ["--invitation", str(folder / "invitation.json"), "--state", str(folder / "state")]
        arguments += ["--hub", credentials.hub.address, "--hub-name", credentials.hub.front_door]
        arguments += ["--hub-token", str(folder / "token"), "--hub-trust", str(folder / "ca.crt")]
        sampling_secret(self._folder)  # creates the file
        arguments += ["--sampling-secret", str(self._folder / FILE)]
        arguments += ["--runner-socket", runner, "--audit", str(self._config.audit_file)]
        arguments += ["--approvals", str(self._folder / "approvals"), "--pending", str(self._folder / "pending")]
        arguments += ["--termination-message", str(folder / "last-word"), "--grace", str(GRACE_S), "--lifeline"]
        if start.device_note:
            arguments += ["--device-note", start.device_note]
        if self._config.dial_address:
            arguments += ["--dial", self._config.dial_address]
        return [*arguments, *self._debug]

    def _spawned(self, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")}
        with log.open("ab") as file:
            # The lifeline: when the agent ends for any reason, the pipe closes and the processes exit.
            # -P: a file in the working directory must not shadow a module.
            return subprocess.Popen(
                [sys.executable, "-P", "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env=environment,
            )

    def _wait_for(self, process: _Process) -> None:
        code = process.session.wait()
        process.runner.close()
        with self._lock:
            process.ended_at = time.time()
            if process.ending:
                self._forget(process)
        if code and not self._closed.is_set():
            _LOG.warning("a worker ended", name=process.worker.name, exit=code)
        self._changed()

    def _forget(self, process: _Process) -> None:
        self._processes.pop(process.worker.name, None)
        shutil.rmtree(process.folder, ignore_errors=True)


def _worker(process: _Process) -> Worker:
    worker = process.worker
    word = _last_word(process)
    return Worker(
        name=worker.name,
        uid=worker.uid,
        invitation_id=worker.invitation_id,
        finished_at=process.ended_at,
        succeeded=word is not None and process.session.returncode == 0,
        ending=process.ending,
    )


def _pod(process: _Process) -> WorkerPod:
    return WorkerPod(job_uid=process.worker.uid, last_word=_last_word(process), spoke_at=process.ended_at)


def _last_word(process: _Process) -> LastWord | None:
    path = process.folder / "last-word"
    return termination_message.parse(path.read_text()) if process.ended_at is not None and path.exists() else None
