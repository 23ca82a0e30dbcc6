"""Computations that wait for a person's word: one file for each digest, in a folder, with what the person has to know.

python -m fedjobs_worker.consent.pending [--dir DIR]    prints all as a JSON list
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import structlog
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Digest
from fedjobs_common.models import Model
from pydantic import ValidationError

from fedjobs_worker import logs

FOLDER = Path("/state/pending")
"""Where it is in the session's container on a cluster."""
_LOG = structlog.get_logger()


class Pending(Model):
    """A computation that waits."""

    digest: str
    silo: str
    job_uid: str
    job_name: str
    requested_by: str | None = None
    label: str = ""
    """What the coordinator calls it."""
    since: float
    """Seconds since 1970."""
    until: float
    """When it is refused if nobody has said anything."""
    explanation: str
    """What it does, as `fedjobs explain` says it."""


class PendingFolder:
    """The folder, made when something waits.

    Args:
        path: None: nothing is written down.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def get(self, digest: Digest) -> Pending | None:
        """What waits under a digest; None: nothing, or nothing that can be read."""
        return None if self._path is None else _read(self._path / f"{digest}.json")

    def put(self, pending: Pending) -> None:
        """Notes what waits."""
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)
            content = pending.model_dump_json(by_alias=True, indent=1).encode()
            write_atomically(self._path / f"{pending.digest}.json", content, durable=True)

    def remove(self, digest: Digest) -> None:
        """It does not wait any more."""
        if self._path is not None:
            (self._path / f"{digest}.json").unlink(missing_ok=True)

    def all(self) -> list[Pending]:
        """All that wait, the oldest first."""
        files = sorted(self._path.glob("*.json")) if self._path is not None and self._path.is_dir() else []
        return sorted(filter(None, map(_read, files)), key=lambda pending: pending.since)


def _read(path: Path) -> Pending | None:
    try:
        return Pending.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _LOG.warning("what waits cannot be read", file=str(path), error=str(error))
        return None


def main(arguments: list[str] | None = None) -> int:
    """Prints what waits."""
    command = "python -m fedjobs_worker.consent.pending"
    parser = argparse.ArgumentParser(command, description="What waits for a person's word.")
    parser.add_argument("--dir", type=Path, default=FOLDER, help=f"the worker's --pending (default: {FOLDER})")
    logs.configure(debug=False)
    folder = PendingFolder(parser.parse_args(arguments).dir)
    sys.stdout.write(json.dumps([pending.model_dump(by_alias=True, mode="json") for pending in folder.all()]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
