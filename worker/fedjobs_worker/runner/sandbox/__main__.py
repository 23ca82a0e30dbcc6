"""Prints what would hold for a runner host, as a JSON list: `python -m fedjobs_worker.runner.sandbox`."""

from __future__ import annotations

import json
import os
import sys

from fedjobs_worker import kernel_calls
from fedjobs_worker.runner import sandbox
from fedjobs_worker.runner.sandbox.limits import Limits


def _printed(enclosed: bool) -> int:
    try:
        facts = sandbox.confine_host(Limits(), enclosed=enclosed)
    except kernel_calls.KernelCallError:
        facts = frozenset()
    os.write(1, json.dumps(sorted(facts)).encode())
    return 0


def main() -> int:
    """Tries it in a child, and prints the facts."""
    child = sandbox.enclose(lambda: _printed(True))
    if child is None:
        return _printed(False)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
