"""Runs a coordinator that checks the progress of its start every second. The arguments are the coordinator's."""

from __future__ import annotations

import sys

from fedjobs_coordinator.__main__ import main
from fedjobs_coordinator.process import start_deadline

if __name__ == "__main__":
    start_deadline.PATIENCE_S = 60.0
    sys.exit(main())
