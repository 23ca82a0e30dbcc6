"""Runs the hub: `python -m fedjobs_hub`.

Exit status: 0 if a signal stopped the hub, 4 if it cannot start. Any other status means that it crashed.
"""

from __future__ import annotations

import sys

from fedjobs_hub import command_line


def main(arguments: list[str] | None = None) -> int:
    """Runs the hub until a signal stops it."""
    return command_line.run(arguments, (__doc__ or "").splitlines()[0])


if __name__ == "__main__":
    sys.exit(main())
