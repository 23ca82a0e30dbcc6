"""The deadline of a start: a coordinator whose main thread does not get on ends, and says where it stood.

A main thread that waits for a lock for ever cannot raise an error. So another thread watches it. That thread imports
nothing, takes no lock that a thread of ours may hold, and ends the whole process.
"""

from __future__ import annotations

import datetime
import faulthandler
import json
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import FinalWord, Status

from fedjobs_coordinator.process.termination_message import TerminationMessage

PATIENCE_S = 600.0
"""Without a further module. A whole import takes 7 to 25 s, on a slow disk and a busy machine some minutes."""
EXIT_CODE = 70
"""That of a crash with stack traces in the log: whoever started the process starts another one."""
LOOKS = 60
"""In that time."""
_STDERR = 2


class Standstill:
    """Whether a start has stood still for too long, by the number of modules at each look.

    Looks are counted, not seconds: a process that was paused has not had the time.
    """

    def __init__(self) -> None:
        self._modules = 0
        self._looks = 0

    def is_too_long(self, modules: int) -> bool:
        """At one more look."""
        self._looks = self._looks + 1 if modules == self._modules else 0
        self._modules = modules
        return self._looks >= LOOKS


class StartDeadline:
    """Within it, each module that is imported is progress, and a long time without one ends the process.

    Args:
        message: For the final word.
        status: The present one; called in another thread.
    """

    def __init__(self, message: TerminationMessage, status: Callable[[], Status]) -> None:
        self._message = message
        self._status = status
        self._started = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="start-deadline", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.set()

    def _watch(self) -> None:
        standstill = Standstill()
        while not self._started.wait(PATIENCE_S / LOOKS):
            if standstill.is_too_long(len(sys.modules)):
                self._end()

    def _end(self) -> NoReturn:
        error = FedjobsError(
            ErrorCode.START_TIMED_OUT,
            f"The coordinator did not start: it imported no further module for {PATIENCE_S:.0f} seconds, after"
            f" {next(reversed(sys.modules))}.",
            "Another start is tried. If it ends the same way, see the stack traces in the coordinator's log.",
        )
        status = self._status()
        faulthandler.dump_traceback(_STDERR)
        # Not by sys.stderr: the thread that hangs may be in the middle of a line.
        os.write(_STDERR, _log_line(status, error) + error.public.encode() + b"\n")
        word = FinalWord.of(status).model_copy(update={"code": error.code.label, "message": error.public})
        self._message.write(word)
        os._exit(EXIT_CODE)


def _log_line(status: Status, error: FedjobsError) -> bytes:
    line = {
        "event": "cannot start",
        "job": status.job_name,
        "jobUid": status.job_uid,
        "code": error.code.label,
        "error": error.public,
        "level": "error",
        "timestamp": datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z"),
    }
    return json.dumps(line).encode() + b"\n"
