"""Checks that a runner host listens: `python -m fedjobs_worker.runner.probe SOCKET`. The exit status is 0 if it does.

This is for the probes of a container. The host notices that the connection is closed, and starts no runner.
"""

from __future__ import annotations

import sys

from fedjobs_worker.channels.channel import connected


def main(arguments: list[str] | None = None) -> int:
    """Connects, and closes the connection."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    try:
        connected(path).close()
    except OSError as error:
        sys.stderr.write(f"no runner host listens at {path}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
