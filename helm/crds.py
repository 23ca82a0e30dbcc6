"""Copies crds/ into the chart, which cannot read files outside its folder, or checks that the copies are true.

python helm/crds.py            write (also: --write)
python helm/crds.py --check    exit 1 and name the file that has drifted
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "crds"
COPIES = Path(__file__).resolve().parent / "fedjobs-operator" / "files" / "crds"


def drifted() -> list[str]:
    """Names of files that are not what they should be, or that should not be there."""
    wanted, there = _contents(SOURCE), _contents(COPIES)
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def write() -> None:
    """Makes the copies what they should be."""
    COPIES.mkdir(parents=True, exist_ok=True)
    for name in drifted():
        source = SOURCE / name
        if source.exists():
            (COPIES / name).write_bytes(source.read_bytes())
        else:
            (COPIES / name).unlink()


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.yaml")}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write the files (default)")
    what.add_argument("--check", action="store_true", help="write nothing; exit with status 1 if a file is out of date")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    names = drifted()
    for name in names:
        sys.stderr.write(f"{COPIES / name} is not what {SOURCE} has: run python helm/crds.py\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
