"""Writes the CRDs and the admission policy to crds/, or checks that the files are up to date.

python -m fedjobs_api.crds            write the files (also: --write)
python -m fedjobs_api.crds --check    exit with status 1 and name each file that is out of date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fedjobs_api.crds.files import FOLDER, drifted, write


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write the files (default)")
    what.add_argument("--check", action="store_true", help="write nothing; exit with status 1 if a file is out of date")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="output folder (default: crds/ of the checkout)")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.folder)
        return 0
    names = drifted(arguments.folder)
    for name in names:
        what_to_do = "run `python -m fedjobs_api.crds`"
        print(f"crds/{name} is out of date: {what_to_do}", file=sys.stderr)  # noqa: T201
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
