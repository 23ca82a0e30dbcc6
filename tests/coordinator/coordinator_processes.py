"""Runs a coordinator as a container does: its folder and its process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fedjobs_common.ids import JobUid
from fedjobs_common.jobs.resolved_jobs import ResolvedJob, ResolvedProgram
from fedjobs_common.jobs.statuses import FinalWord, Status
from fedjobs_coordinator.state.finished_program import FinishedProgram
from fedjobs_protocol.identities.identities import RunAuthority, server_name

from .builders import JOB, a_job

_PATIENCE_S = 120.0
RESULT = {"result.json": b"{}\n", "model/weights.safetensors": bytes(3_000_000)}


class Container:
    """The files that are mounted into a coordinator's container."""

    def __init__(self, root: Path, program: str = "nothing:at_all") -> None:
        self.root = root
        self.state, self.tls, self.message = root / "state", root / "tls", root / "termination-log"
        self.result = self.state / "result"
        self.authority = RunAuthority.create()
        self.authority.issue_coordinator(JOB, server_name(JOB)).save(self.tls)
        self.state.mkdir()
        self.message.write_bytes(b"an earlier container's")
        changes = {"program": ResolvedProgram(entrypoint=program, source=str(root / "program"))}
        self.job: ResolvedJob = a_job().model_copy(update=changes)
        (root / "job.json").write_text(self.job.model_dump_json(by_alias=True))

    def with_finished_program(self) -> Container:
        """Prepares the state of a finished program. Only the export of its result is left to do."""
        for name, content in RESULT.items():
            (self.result / name).parent.mkdir(parents=True, exist_ok=True)
            (self.result / name).write_bytes(content)
        FinishedProgram(self.state, self.result, JobUid(JOB)).note()
        return self

    def arguments(self, *further: str | Path) -> list[str]:
        fixed = ["--job", self.root / "job.json", "--dir", self.state, "--tls", self.tls, "--result", self.result]
        fixed += ["--listen", "127.0.0.1:0", "--termination-message", self.message]
        return [str(word) for word in (*fixed, *further)]

    @contextlib.contextmanager
    def started(
        self,
        *further: str | Path,
        python: Sequence[str] = ("-m", "fedjobs_coordinator"),
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Process]:
        """Starts the coordinator. `python` replaces the interpreter's options, for example by another module."""
        with (self.root / "log").open("ab") as log:
            command = [sys.executable, *python, *self.arguments(*further)]
            variables = {**os.environ, **(environment or {})}
            popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables)
        try:
            yield Process(self, popen)
        finally:
            popen.kill()
            popen.wait()

    @property
    def final_word(self) -> FinalWord:
        return FinalWord.model_validate_json(self.message.read_bytes())

    @property
    def status(self) -> Status:
        return Status.model_validate_json((self.state / "status.json").read_bytes())

    @property
    def address(self) -> str:
        return str(json.loads((self.state / "address.json").read_bytes())["address"])

    @property
    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.root / "log").read_bytes().splitlines() if line.startswith(b"{")]


class Process:
    def __init__(self, container: Container, popen: subprocess.Popen[bytes]) -> None:
        self._container = container
        self._popen = popen

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits until a condition holds, while the process runs."""
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            log = (self._container.root / "log").read_text()
            assert self._popen.poll() is None, f"the process ended before {what}:\n{log}"
            assert time.monotonic() < deadline, f"timeout while waiting until {what}:\n{log}"
            time.sleep(0.01)

    def until_it_listens(self) -> None:
        self.until((self._container.state / "address.json").exists, "the coordinator listens")

    def until_it_catches_sigterm(self) -> None:
        def catches() -> bool:
            lines = Path(f"/proc/{self._popen.pid}/status").read_text().splitlines()
            caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
            return bool(caught & (1 << (signal.SIGTERM - 1)))

        self.until(catches, "the coordinator handles SIGTERM")

    def send(self, number: signal.Signals) -> None:
        os.kill(self._popen.pid, number)

    def ended(self, patience_s: float = _PATIENCE_S) -> int:
        """Waits for the end of the process, and returns its exit status."""
        return self._popen.wait(patience_s)
