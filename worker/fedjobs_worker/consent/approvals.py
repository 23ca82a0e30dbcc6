"""Decisions of the silo's administrators about computations, in a folder with one file for each digest.

On a cluster, the folder is a mounted ConfigMap, whose keys are the file names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import structlog
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Digest
from fedjobs_common.models import Model
from pydantic import ValidationError

CONFIG_MAP = "fedjobs-approvals"
"""The name of the ConfigMap in the silo's namespace."""
_LOG = structlog.get_logger()


class Approval(Model):
    """An administrator's decision about a computation."""

    decision: Literal["approved", "denied"]
    by: str = ""
    """The administrator's user name on their machine."""
    at: str = ""
    """The time in ISO 8601."""
    message: str = ""
    """The reason, which the user who runs the job sees."""


class Approvals(Protocol):
    """Returns decisions about computations."""

    def of(self, digest: Digest) -> Approval | None:
        """Returns the decision about a computation, or None if there is none yet."""


class ApprovalFolder:
    """The folder with the decisions, which need not exist yet.

    Args:
        path: The path of the folder, or None if computations cannot be approved.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def of(self, digest: Digest) -> Approval | None:
        """Returns the decision about a computation, or None if there is none or its file cannot be read."""
        if self._path is None:
            return None
        path = self._path / file_name(digest)
        try:
            return Approval.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _LOG.error("cannot read an approval", file=str(path), error=str(error))
            return None

    def say(self, digest: Digest, approval: Approval) -> None:
        """Writes a decision, and replaces an earlier one."""
        if self._path is None:
            raise ValueError("there is no folder")
        self._path.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path / file_name(digest), content_of(approval).encode(), durable=True, mode=0o644)


def file_name(digest: Digest) -> str:
    """Returns the name of a digest's file, which is also its key in the ConfigMap."""
    return f"{digest}.json"


def content_of(approval: Approval) -> str:
    """Returns the content of the file."""
    return approval.model_dump_json(by_alias=True, exclude_defaults=True)
