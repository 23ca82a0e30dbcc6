"""Runs a coordinator and records its imports, with one line for each module that Python searches for.

    python -m tests.coordinator.import_recorder FILE ARGUMENTS

A line has the names of the thread and the module, and the location of the import, separated by tabs. A module that is
imported already has no line. But if another thread imports a module that the main thread is still importing, it waits
for the main thread, and the line says so.
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
_LONGEST_TRACE = 12  # the number of stack frames
_MAIN_ID = threading.main_thread().ident
_original_import = builtins.__import__


class _Recorder:
    """Its methods must not import anything, because Python calls them during imports."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python calls it for each module that is not imported yet."""
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
        """Replaces the import statement."""
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
    """Records imports from now on until the process ends."""
    recorder = _Recorder(path)
    sys.addaudithook(recorder.audit)
    builtins.__import__ = recorder.imported


if __name__ == "__main__":
    record(sys.argv[1])
    from fedjobs_coordinator.__main__ import main

    sys.exit(main(sys.argv[2:]))
