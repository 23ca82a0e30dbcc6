"""Computations that wait for approval, in a folder with one file for each scope.

python -m fedjobs_worker.consent.pending [--dir DIR]    print them as a JSON list
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import structlog
from fedjobs_common.files import write_atomically
from fedjobs_common.models import Model
from pydantic import ValidationError

from fedjobs_worker import logs
from fedjobs_worker.consent.consent_scopes import ConsentScope

FOLDER = Path("/state/pending")
"""The path of the folder in the session container on a cluster."""
_LOG = structlog.get_logger()


class Pending(Model):
    """A computation that waits for approval."""

    digest: str
    silo: str
    job_uid: str
    job_name: str
    requested_by: str | None = None
    label: str = ""
    """The coordinator's name for the computation."""
    since: float
    """Seconds since 1970."""
    until: float
    """The deadline in seconds since 1970. After that, the computation is refused."""
    explanation: str
    """What the computation does, in the words of `fedjobs explain`."""
    graph: tuple[str, ...] = ()
    """The lines of the graphs, of which the explanation has the first ones."""
    scope: ConsentScope
    """What an approval covers."""


class PendingFolder:
    """The folder, which is created when needed.

    Args:
        path: The path of the folder, or None to store nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def get(self, scope: ConsentScope) -> Pending | None:
        """Returns the pending computation of this scope, or None if there is none or it cannot be read."""
        return None if self._path is None else _read(self._path / _file_name(scope))

    def put(self, pending: Pending) -> None:
        """Adds a pending computation."""
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)
            content = pending.model_dump_json(by_alias=True, indent=1).encode()
            write_atomically(self._path / _file_name(pending.scope), content, durable=True)

    def remove(self, scope: ConsentScope) -> None:
        """Removes a computation that no longer waits."""
        if self._path is not None:
            (self._path / _file_name(scope)).unlink(missing_ok=True)

    def all(self) -> list[Pending]:
        """Returns all pending computations, oldest first."""
        files = sorted(self._path.glob("*.json")) if self._path is not None and self._path.is_dir() else []
        return sorted(filter(None, map(_read, files)), key=lambda pending: pending.since)


def _file_name(scope: ConsentScope) -> str:
    return f"{scope.computation}.{scope.digest[:32]}.json"


def _read(path: Path) -> Pending | None:
    try:
        return Pending.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _LOG.warning("cannot read a pending computation", file=str(path), error=str(error))
        return None


def main(arguments: list[str] | None = None) -> int:
    """Prints the pending computations."""
    command = "python -m fedjobs_worker.consent.pending"
    parser = argparse.ArgumentParser(command, description="Print the computations that wait for approval.")
    parser.add_argument("--dir", type=Path, default=FOLDER, help=f"the worker's --pending (default: {FOLDER})")
    logs.configure(debug=False)
    folder = PendingFolder(parser.parse_args(arguments).dir)
    sys.stdout.write(json.dumps([pending.model_dump(by_alias=True, mode="json") for pending in folder.all()]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
