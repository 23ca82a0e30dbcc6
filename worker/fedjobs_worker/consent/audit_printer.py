"""Prints a worker's audit log, for the agent of its silo: `python -m fedjobs_worker.consent.audit_printer FILE`.

On Kubernetes, this is the only process of a container of its own, so that the container's log has these lines and
nothing else. It starts before the session. It ends at SIGTERM, which the kubelet sends after the session has ended, and
prints a last line then. If it starts again, it prints the whole file again.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import IO

from fedjobs_worker.consent.audit_entries import end_line

_LOOK_S = 0.2
_PIECE = 1024 * 1024


class Printing:
    """Prints the complete lines of a file that others append to.

    Args:
        path: The file, which need not exist yet.
        out: Where to print.
    """

    def __init__(self, path: Path, out: IO[bytes]) -> None:
        self._path = path
        self._out = out
        self._offset = 0
        self._lines = 0

    def more(self) -> None:
        """Prints the lines that were appended since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while piece := file.read(_PIECE):
                whole, newline, _ = piece.rpartition(b"\n")
                if not newline:
                    break  # the line is still being written
                self._out.write(whole + newline)
                self._lines += whole.count(b"\n") + 1
                self._offset += len(whole) + 1
                file.seek(self._offset)
        self._out.flush()

    def end(self) -> None:
        """Prints the remaining lines and the last line."""
        self.more()
        self._out.write(end_line(self._lines) + b"\n")
        self._out.flush()


def main(arguments: list[str]) -> int:
    """Prints the file until SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    (path,) = arguments
    printing = Printing(Path(path), sys.stdout.buffer)
    while not stopping.wait(_LOOK_S):
        printing.more()
    printing.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
