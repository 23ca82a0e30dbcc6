"""The session process of one silo in one job: `python -m fedjobs_worker`."""

import sys

from fedjobs_worker import stopping

if __name__ == "__main__":
    stopping.end_at_sigterm(stopping.EXIT_STOPPED)  # before the imports: see there
    from fedjobs_worker.command_line import main

    sys.exit(main())
