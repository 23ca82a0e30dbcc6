"""The session process of one silo in one job: `python -m fedjobs_worker`."""

import sys

from fedjobs_worker import termination

if __name__ == "__main__":
    termination.end_at_sigterm(termination.EXIT_STOPPED)  # before the imports, which take seconds
    from fedjobs_worker.command_line import main

    sys.exit(main())
