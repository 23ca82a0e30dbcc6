"""Measured parts: each is a process of its own, so that no one's memory or threads are mixed with another's.

A part reads one request a line on its standard input and answers with one JSON line; at end of file it ends. Between
requests it is idle, so that several parts can be measured in turn within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, Self

import psutil


class PartFailed(Exception):
    """A part ended before it answered."""


class Measured(Protocol):
    """What a part offers inside its process."""

    def round(self) -> float:
        """Runs one round; returns its seconds."""
        ...

    def memory(self) -> dict[str, float]:
        """Bytes, by name; empty where a part has nothing to say."""
        ...


def serve(make: Callable[[int, int], AbstractContextManager[Measured]]) -> None:
    """The main function of a part.

    Args:
        make: Takes the number of silos and the payload's bytes; entering the context makes all that a round needs.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--silos", type=int, required=True)
    parser.add_argument("--payload", type=int, required=True, help="bytes")
    arguments = parser.parse_args()
    # Libraries print to standard output as they like; answers have a descriptor of their own.
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        with make(arguments.silos, arguments.payload) as measured:
            print(json.dumps({"ready": True}), file=answers)
            for line in sys.stdin:
                answer = {"seconds": measured.round()} if line.strip() == "round" else measured.memory()
                print(json.dumps(answer), file=answers)


class Part:
    """A part, seen from the process that measures."""

    def __init__(self, name: str, silos: int, size: int) -> None:
        self.name = name
        command = [sys.executable, "-m", f"bench.{name}", "--silos", str(silos), "--payload", str(size)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._family: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ready(self) -> None:
        self._answer()
        self._remember_children()

    def round(self) -> float:
        return float(self._ask("round")["seconds"])

    def memory(self) -> dict[str, float]:
        return self._ask("memory")

    def end(self) -> None:
        """Ends the part, and by their ids the processes that it leaves behind (the stock runtime's worker does stay)."""
        self._remember_children()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in self._family:
            if child.is_running():  # compares the time of creation too, so a reused id is safe
                child.terminate()
        _, stubborn = psutil.wait_procs(self._family, timeout=10)
        for child in stubborn:
            child.kill()

    def _remember_children(self) -> None:
        """Children are found while their parent lives; afterwards nothing tells whose they were."""
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        self._family = list({*self._family, *children})

    def _ask(self, request: str) -> dict[str, float]:
        if self._process.stdin is None or self._process.poll() is not None:
            raise PartFailed(f"bench.{self.name} has ended with code {self._process.returncode}")
        self._process.stdin.write(f"{request}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._process.wait()
            raise PartFailed(f"bench.{self.name} ended with code {self._process.returncode}; its messages are above")
        answer: dict[str, float] = json.loads(line)
        return answer
