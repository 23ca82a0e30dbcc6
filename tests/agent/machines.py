"""A machine without Kubernetes that joins a federation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import yaml

from tests.agent.federations import SILO, AgentFederation

FEDJOBS = str(Path(sys.executable).parent / "fedjobs")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []  # the process has ended since


class Machine:
    """A machine that runs `fedjobs silo join`."""

    def __init__(self, folder: Path, federation: AgentFederation) -> None:
        self.folder = folder
        self.own = folder / "own"
        self.dial = federation.door.address
        self.proxy: dict[str, str] = {}
        self.own.mkdir(parents=True)
        (self.own / "token").write_text(federation.token())
        (folder / "silo.yaml").write_text(yaml.safe_dump({"silo": SILO}))
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def join(self) -> None:
        self.start([FEDJOBS, "silo", "join", "silo.yaml", "--dir", "own", "--dial", self.dial])

    def start(self, command: list[str]) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | self.proxy,
                stdin=subprocess.DEVNULL,
                stderr=log,
                stdout=log,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(90)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def says(self, words: str) -> bool:
        return words in self.log.read_text()

    def workers(self) -> list[psutil.Process]:
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "fedjobs_worker" in _command(child)]

    def audit(self) -> list[tuple[str, str]]:
        path = self.own / "audit.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(entry["subject"], entry["decision"]) for entry in map(json.loads, lines)]
