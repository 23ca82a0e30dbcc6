"""The hub as a process: `python -m fedjobs_hub`.

Exit status: 0 ended by a signal; 4 it cannot start here; anything else is a crash.
"""

from __future__ import annotations

import sys

from fedjobs_hub import command_line


def main(arguments: list[str] | None = None) -> int:
    """Runs the hub until a signal ends it."""
    return command_line.run(arguments, (__doc__ or "").splitlines()[0])


if __name__ == "__main__":
    sys.exit(main())
