"""What people of the silo said to computations: one file for each digest, in a folder.

On a cluster the folder is a ConfigMap, whose keys are the files' names.
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
"""Its name on a cluster, in the silo's namespace."""
_LOG = structlog.get_logger()


class Approval(Model):
    """A person's word about one computation."""

    decision: Literal["approved", "denied"]
    by: str = ""
    """Who, as that person's machine knows them."""
    at: str = ""
    """When, ISO 8601."""
    message: str = ""
    """Why; shown to the person who runs the job."""


class Approvals(Protocol):
    """Where a person's word about a computation is to be found."""

    def of(self, digest: Digest) -> Approval | None:
        """What was said; None: nothing yet."""


class ApprovalFolder:
    """The folder; it need not be there yet.

    Args:
        path: None: nobody can approve anything.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def of(self, digest: Digest) -> Approval | None:
        """What was said; a file that cannot be read says nothing."""
        if self._path is None:
            return None
        path = self._path / file_name(digest)
        try:
            return Approval.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _LOG.error("an approval cannot be read", file=str(path), error=str(error))
            return None

    def say(self, digest: Digest, approval: Approval) -> None:
        """Writes it down, in place of what was said before."""
        if self._path is None:
            raise ValueError("there is no folder")
        self._path.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path / file_name(digest), content_of(approval).encode(), durable=True, mode=0o644)


def file_name(digest: Digest) -> str:
    """Of a digest's file in the folder, which is its key in the ConfigMap."""
    return f"{digest}.json"


def content_of(approval: Approval) -> str:
    """What stands in the file."""
    return approval.model_dump_json(by_alias=True, exclude_defaults=True)
