"""The runner host: `python -m fedjobs_worker.runner --listen PATH`."""

import sys

from fedjobs_worker import termination

if __name__ == "__main__":
    termination.end_at_sigterm(0)  # before the imports, which take seconds
    from fedjobs_worker.runner.host import main

    sys.exit(main())
