"""Starts coordinators while a silo joins, with TensorFlow Federated or with a replacement that imports similarly.

A thread that imports at the same time as the main thread may wait forever. The replacement makes that likely: it
imports many modules of the standard library, those of thread pools first. During each import it holds a lock that every
other import needs, as lazy loaders do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import server_name
from fedjobs_protocol.sessions.session_client import SessionClient

from .builders import ALICE, JOB
from .coordinator_processes import Container
from .sites import Silo

ENDED = "the import of the replacement for TensorFlow Federated has ended"
_REPLACEMENT = f"""
import importlib
import sys
import threading
import time

_lock = threading.RLock()


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        with _lock:
            return None  # leaves the module to the next finder


sys.meta_path.insert(0, _Finder)
for name in (
    "queue", "concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool", "encodings.idna",
    "multiprocessing.managers", "multiprocessing.shared_memory", "unittest.mock", "xml.etree.ElementTree",
    "xml.dom.minidom", "xml.sax", "sqlite3", "tarfile", "html.parser", "http.cookiejar", "logging.handlers", "pdb",
    "configparser", "getpass", "shlex", "runpy", "pprint", "difflib", "email.headerregistry", "setuptools",
):
    with _lock:
        time.sleep(0.002)  # like reading a file: other threads run
        importlib.import_module(name)
raise RuntimeError({ENDED!r})
"""
_PROGRAM = """
from fedjobs_coordinator.programs.exports import write_result

def main(context):
    write_result(context.result_dir, {"program": "own"})
"""
_PATIENCE_S = 240.0


@dataclass(frozen=True)
class Start:
    """How one start ended.

    Attributes:
        hung: Whether the start did not end in time.
        problem: Another problem, or an empty string.
        log: The coordinator's log.
    """

    hung: bool
    problem: str
    log: str

    @property
    def went_well(self) -> bool:
        return not self.hung and not self.problem


def start(folder: Path, *, real: bool) -> Start:
    """Starts a coordinator, joins as a silo immediately, and waits for the end of both.

    Args:
        folder: An empty folder.
        real: Whether to use the real TensorFlow Federated, with a program that ends immediately.
    """
    container = Container(folder, "own_program:main")
    (folder / "program").mkdir()
    (folder / "program/own_program.py").write_text(_PROGRAM)
    environment = {"PYTHONFAULTHANDLER": "1"}
    if not real:
        (folder / "stand_in").mkdir()
        (folder / "stand_in/tensorflow_federated.py").write_text(_REPLACEMENT)
        paths = [str(folder / "stand_in"), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with container.started(environment=environment) as process:
        process.until_it_listens()
        told = _silo(container)
        try:
            code = process.ended(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.send(signal.SIGABRT)  # writes the stacks of all threads to the log
            process.ended()
            return Start(True, "", (folder / "log").read_text())
    return Start(False, _problem(container, code, told, real=real), (folder / "log").read_text())


def _silo(container: Container) -> str:
    """Joins, and returns the outcome of the job, or the error that occurred before."""
    identity = container.authority.issue_silo(JOB, ALICE)
    with open_channel(container.address, server_name(JOB), identity) as channel:
        silo = Silo(SessionClient(channel))
        try:
            answer = silo.join().pull()
            while not answer.HasField("over"):  # a slow start takes longer than one call
                answer = silo.pull()
        except FedjobsError as error:
            return error.code.label
        return answer.over.outcome


def _problem(container: Container, code: int, told: str, *, real: bool) -> str:
    expected = (0, "Complete") if real else (1, "Failed")
    if (code, told) != expected:
        return f"the coordinator ended with {code}, and the silo received {told!r}"
    if not real and ENDED not in container.status.message:
        return f"the coordinator failed for another reason: {container.status.message}"
    return ""


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keeps this many cores busy within the block."""
    with ExitStack() as stack:
        for _ in range(loops):
            loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(loop.wait)
            stack.callback(loop.kill)
        yield
