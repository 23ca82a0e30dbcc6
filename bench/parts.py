"""Measured parts. Each part is a separate process, so that memory and threads of different parts do not mix.

A part reads one request per line from its standard input, and responds with one line of JSON. It ends at end of file.
Between requests it is idle, so that several parts can be measured in turn in one run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, Self

import psutil


class PartEndedError(Exception):
    """A part ended before it responded."""


class Measured(Protocol):
    """The interface of a part inside its process."""

    def round(self) -> float:
        """Runs one round, and returns its seconds."""
        ...

    def memory(self) -> dict[str, float]:
        """Returns bytes by name. It is empty if a part does not measure memory."""
        ...


def serve(make: Callable[[int, int], AbstractContextManager[Measured]]) -> None:
    """Runs the main function of a part.

    Args:
        make: Takes the number of silos and the payload's bytes. Its context provides everything that a round needs.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--silos", type=int, required=True)
    parser.add_argument("--payload", type=int, required=True, help="bytes")
    arguments = parser.parse_args()
    # Libraries may print to standard output, so responses have a separate descriptor.
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        with make(arguments.silos, arguments.payload) as measured:
            for line in sys.stdin:
                answer = {"seconds": measured.round()} if line.strip() == "round" else measured.memory()
                print(json.dumps(answer), file=answers)


class Part:
    """A part, for the process that measures.

    Attributes:
        family: All child processes that it is known to have started.
    """

    def __init__(self, name: str, silos: int, size: int) -> None:
        self.name = name
        command = [sys.executable, "-m", f"bench.{name}", "--silos", str(silos), "--payload", str(size)]
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
        self.family: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def round(self) -> float:
        """Runs one round, and returns its seconds.

        Raises:
            PartEndedError: If the part has ended.
        """
        return float(self._ask("round")["seconds"])

    def memory(self) -> dict[str, float]:
        return self._ask("memory")

    def end(self) -> None:
        """Ends the part and its remaining child processes by their ids, such as the stock runtime's worker."""
        self._remember_children()
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in self.family:
            if child.is_running():  # also compares creation times, so a reused id is safe
                child.terminate()
        _, stubborn = psutil.wait_procs(self.family, timeout=10)
        for child in stubborn:
            child.kill()

    def _remember_children(self) -> None:
        """Records the children while their parent lives. Afterwards they cannot be found."""
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        self.family = list({*self.family, *children})

    def _ask(self, request: str) -> dict[str, float]:
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("a part is started with pipes")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{request}\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        self._remember_children()
        if not line:
            raise PartEndedError(f"bench.{self.name} ended with code {self._process.wait()}; its messages are above")
        answer: dict[str, float] = json.loads(line)
        return answer
