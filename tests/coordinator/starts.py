"""Starts of a coordinator's process, while a silo joins: with TensorFlow Federated, or with an import like its own.

Whoever imports at the same time as the main thread may wait for ever. The import that stands in for TensorFlow
Federated's makes that likely: it goes through many modules of the standard library, those of thread pools first, and
holds a lock of its own at each, as lazy loaders do, which every other import needs.
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

ENDED = "the import that stands in for TensorFlow Federated's has ended"
_STAND_IN = f"""
import importlib
import sys
import threading
import time

_lock = threading.RLock()


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        with _lock:
            return None  # the next finder's


sys.meta_path.insert(0, _Finder)
for name in (
    "queue", "concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool", "encodings.idna",
    "multiprocessing.managers", "multiprocessing.shared_memory", "unittest.mock", "xml.etree.ElementTree",
    "xml.dom.minidom", "xml.sax", "sqlite3", "tarfile", "html.parser", "http.cookiejar", "logging.handlers", "pdb",
    "configparser", "getpass", "shlex", "runpy", "pprint", "difflib", "email.headerregistry", "setuptools",
):
    with _lock:
        time.sleep(0.002)  # a file is read; other threads run
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
        hung: It did not come to an end.
        problem: What else was not as it should be; empty: nothing.
        log: The coordinator's.
    """

    hung: bool
    problem: str
    log: str

    @property
    def went_well(self) -> bool:
        return not self.hung and not self.problem


def start(folder: Path, *, real: bool) -> Start:
    """Starts a coordinator, joins as a silo at once, and waits for the end of both.

    Args:
        folder: An empty one.
        real: With the real TensorFlow Federated, and a program that ends at once.
    """
    container = Container(folder, "own_program:main")
    (folder / "program").mkdir()
    (folder / "program/own_program.py").write_text(_PROGRAM)
    environment = {"PYTHONFAULTHANDLER": "1"}
    if not real:
        (folder / "stand_in").mkdir()
        (folder / "stand_in/tensorflow_federated.py").write_text(_STAND_IN)
        paths = [str(folder / "stand_in"), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with container.started(environment=environment) as process:
        process.until_it_listens()
        told = _silo(container)
        try:
            code = process.ended(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.send(signal.SIGABRT)  # the stacks of all threads go into the log
            process.ended()
            return Start(True, "", (folder / "log").read_text())
    return Start(False, _problem(container, code, told, real=real), (folder / "log").read_text())


def _silo(container: Container) -> str:
    """Joins, and waits until it is told how the job ended; or what came in the way of that."""
    identity = container.authority.issue_silo(JOB, ALICE)
    with open_channel(container.address, server_name(JOB), identity) as channel:
        silo = Silo(SessionClient(channel))
        try:
            answer = silo.join().pull()
            while not answer.HasField("over"):  # a slow start outlasts one call
                answer = silo.pull()
        except FedjobsError as error:
            return error.code.label
        return answer.over.outcome


def _problem(container: Container, code: int, told: str, *, real: bool) -> str:
    expected = (0, "Complete") if real else (1, "Failed")
    if (code, told) != expected:
        return f"it ended with {code}, and the silo was told {told!r}"
    if not real and ENDED not in container.status.message:
        return f"it failed of something else: {container.status.message}"
    return ""


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keeps so many cores busy meanwhile."""
    with ExitStack() as stack:
        for _ in range(loops):
            loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(loop.wait)
            stack.callback(loop.kill)
        yield
