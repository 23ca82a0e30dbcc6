"""A job's coordinator as a process.

    python -m fedjobs_coordinator --job job.json --dir DIR --listen 127.0.0.1:0 --result RESULT

Exit status: 0 complete, and the result exported where it is to be; 1 failed for good, `status.json` says why; 4 it
cannot start here (port in use, another coordinator in the folder); 74 the result's storage failed, another start goes
on there; 75 suspended by SIGTERM, goes on when started again. Anything else is a crash, 70 one with a stack trace in
the log: an error that nobody expected, or a start that did not get on (`start_deadline.py`).
"""

from __future__ import annotations

import sys
import traceback

from fedjobs_coordinator.process.terminations import Termination

_CRASHED = 70


def main(arguments: list[str] | None = None) -> int:
    """Runs the coordinator to the end of its job."""
    termination = Termination()  # before anything is imported that takes time
    try:
        from fedjobs_coordinator.process.command_line import run

        return run(arguments, termination, __doc__ or "")
    except Exception:
        traceback.print_exc()  # Python's own exit status would be 1: failed for good
        return _CRASHED


if __name__ == "__main__":
    sys.exit(main())
