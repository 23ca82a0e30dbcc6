"""The agent of one silo on Kubernetes: `python -m fedjobs_agent`."""

import sys

from fedjobs_worker import termination

if __name__ == "__main__":
    termination.end_at_sigterm(0)  # before the imports, which take seconds
    from fedjobs_agent.command_line import main

    sys.exit(main())
