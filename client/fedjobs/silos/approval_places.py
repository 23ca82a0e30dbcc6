"""Where computations wait for a person of a silo, and where that person's word goes: folders, or the silo's cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.pending import Pending, PendingFolder

_SHORTEST = 6  # digits of a digest that a person may name it by
_WHOLE = 64


class ApprovalPlace(Protocol):
    """Of one silo."""

    def pending(self) -> list[Pending]:
        """All that waits, the oldest first."""

    def say(self, digest: Digest, approval: Approval) -> None:
        """Writes down what a person says."""


class Folders:
    """On one machine.

    Args:
        folder: With the folders that the worker was given as `--pending` and `--approvals`: `pending` and `approvals`.
    """

    def __init__(self, folder: Path) -> None:
        self._pending = PendingFolder(folder / "pending")
        self._approvals = ApprovalFolder(folder / "approvals")

    def pending(self) -> list[Pending]:
        return self._pending.all()

    def say(self, digest: Digest, approval: Approval) -> None:
        self._approvals.say(digest, approval)


def named(place: ApprovalPlace, written: str) -> tuple[Digest, Pending | None]:
    """The computation that a person means.

    Args:
        place: Of the silo.
        written: A digest, or the beginning of one that waits.

    Returns:
        Its digest, and what is known of it where it waits.

    Raises:
        FedjobsError: INVALID_JOB where there is none, or several.
    """
    waiting = place.pending()
    found = {pending.digest: pending for pending in waiting if pending.digest.startswith(written.lower())}
    if len(found) == 1 and len(written) >= _SHORTEST:
        ((digest, pending),) = found.items()
        return Digest(digest), pending
    if len(written) == _WHOLE and not set(written.lower()) - set("0123456789abcdef"):
        return Digest(written.lower()), None
    shown = ", ".join(sorted(pending.digest[:12] for pending in waiting)) or "nothing"
    raise FedjobsError(
        ErrorCode.INVALID_JOB,
        f"'{written}' is not the beginning of one digest that waits here ({shown}).",
        f"Name at least {_SHORTEST} digits of one of those, or a whole digest.",
    )
