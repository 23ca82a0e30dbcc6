"""Runs a coordinator, and writes down who imports what: one line for each module that is looked for.

    python -m tests.coordinator.import_recorder FILE ARGUMENTS

A line has the thread's name, the module's, and where the import stands, with tabs between them. A module that is there
already is not looked for, so it has no line; but a thread that names one which the main thread is still importing
waits for the main thread, and has a line that says so.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType, ModuleType
from typing import Any

MAIN = "MainThread"
_LONGEST_TRACE = 12  # functions
_MAIN_ID = threading.main_thread().ident
_original_import = builtins.__import__


class _Recorder:
    """What it calls imports nothing: it is called in the middle of imports."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python calls it for each module that is not there yet."""
        if event == "import":
            self._note(str(arguments[0]), sys._getframe(1))

    def imported(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - as Python names them
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """Stands in for the import statement."""
        if threading.get_ident() != _MAIN_ID and level == 0:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if getattr(spec, "_initializing", False):
                self._note(f"{name} (waits for another thread)", sys._getframe(1))
        return _original_import(name, globals, locals, fromlist, level)

    def _note(self, what: str, frame: FrameType | None) -> None:
        ident = threading.get_ident()
        thread = threading._active.get(ident)  # type: ignore[attr-defined] # current_thread() may make one
        name = MAIN if ident == _MAIN_ID else thread.name if thread is not None else "no thread of Python's"
        where: list[str] = []
        while frame is not None and len(where) < _LONGEST_TRACE and name != MAIN:
            if "importlib" not in frame.f_code.co_filename and "import_recorder" not in frame.f_code.co_filename:
                where.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            frame = frame.f_back
        os.write(self._descriptor, f"{name}\t{what}\t{' < '.join(where)}\n".encode())


def record(path: str) -> None:
    """From now on, to the end of the process."""
    recorder = _Recorder(path)
    sys.addaudithook(recorder.audit)
    builtins.__import__ = recorder.imported


if __name__ == "__main__":
    record(sys.argv[1])
    from fedjobs_coordinator.__main__ import main

    sys.exit(main(sys.argv[2:]))
