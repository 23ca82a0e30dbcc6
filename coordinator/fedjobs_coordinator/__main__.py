"""Runs the coordinator of a job.

    python -m fedjobs_coordinator --job job.json --dir DIR --listen 127.0.0.1:0 --result RESULT

Exit status:

    0   the job is complete, and its result was exported
    1   the job failed permanently; `status.json` has the reason
    4   the coordinator cannot start (port in use, another coordinator in the folder)
    74  the storage failed or a disk is full; the next start continues
    75  suspended by SIGTERM; the next start continues
    70  a crash with a stack trace in the log: an unexpected error, or a start without progress (`start_deadline.py`)

Any other status is a crash.
"""

from __future__ import annotations

import sys
import traceback

from fedjobs_coordinator.process.terminations import Termination

_CRASHED = 70


def main(arguments: list[str] | None = None) -> int:
    """Runs the coordinator until its job ends."""
    termination = Termination()  # before the slow imports
    try:
        from fedjobs_coordinator.process.command_line import run

        return run(arguments, termination, __doc__ or "")
    except Exception:
        traceback.print_exc()  # Python's own exit status would be 1, which means a permanent failure
        return _CRASHED


if __name__ == "__main__":
    sys.exit(main())
