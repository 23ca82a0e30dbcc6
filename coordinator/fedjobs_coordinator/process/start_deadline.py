"""The start deadline: ends a coordinator whose start makes no progress, and logs stack traces.

A main thread in a deadlock cannot raise an error. So another thread watches it and ends the process. The watching
thread imports nothing, and takes no lock that other threads of the coordinator may hold.
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
"""The maximum time without a newly imported module. The imports take 7 to 25 s, or some minutes on a slow machine."""
EXIT_CODE = 70
"""The exit status of a crash with stack traces in the log. The process is restarted."""
LOOKS = 60
"""The number of checks in that time."""
_STDERR = 2


class Standstill:
    """Detects that a start makes no progress, by the number of modules at each check.

    It counts checks instead of seconds, so that the time of a paused process does not count.
    """

    def __init__(self) -> None:
        self._modules = 0
        self._looks = 0

    def is_too_long(self, modules: int) -> bool:
        """Records a check, and returns whether the start has made no progress for too long."""
        self._looks = self._looks + 1 if modules == self._modules else 0
        self._modules = modules
        return self._looks >= LOOKS


class StartDeadline:
    """Ends the process if no module is imported for a long time within this context.

    Args:
        message: Receives the final word.
        status: Returns the current status. Called in another thread.
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
            f"The coordinator did not start: it imported no module for {PATIENCE_S:.0f} seconds after"
            f" {next(reversed(sys.modules))}.",
            "The start is retried. If it fails again, see the stack traces in the coordinator's log.",
        )
        status = self._status()
        faulthandler.dump_traceback(_STDERR)
        # Do not use sys.stderr, because the blocked thread may hold its lock.
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
