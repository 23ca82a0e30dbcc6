"""Reads a silo's pending computations and writes decisions about them, in folders or in the silo's cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.pending import Pending, PendingFolder

_SHORTEST = 6  # minimum length of a digest prefix on the command line
_WHOLE = 64


class ApprovalPlace(Protocol):
    """Stores the pending computations and the decisions of one silo."""

    def pending(self) -> list[Pending]:
        """Returns all pending computations, oldest first."""

    def say(self, digest: Digest, approval: Approval) -> None:
        """Records a decision about a computation."""


class Folders:
    """An `ApprovalPlace` in folders of this machine.

    Args:
        folder: The silo's folder. Its subfolders `pending` and `approvals` are the worker's `--pending` and
            `--approvals`.
    """

    def __init__(self, folder: Path) -> None:
        self._pending = PendingFolder(folder / "pending")
        self._approvals = ApprovalFolder(folder / "approvals")

    def pending(self) -> list[Pending]:
        return self._pending.all()

    def say(self, digest: Digest, approval: Approval) -> None:
        self._approvals.say(digest, approval)


def named(place: ApprovalPlace, written: str, dataset: str | None = None) -> tuple[Digest, Pending | None]:
    """Finds the computation that the user named.

    Args:
        place: The silo's place.
        written: A whole digest, or a prefix of the digest of a pending computation.
        dataset: Only consider pending computations that read this dataset.

    Returns:
        The digest, and the pending computation if there is one.

    Raises:
        FedjobsError: INVALID_JOB if no computation matches, or several do.
    """
    waiting = place.pending()
    found = {
        pending.scope.digest: pending
        for pending in waiting
        if pending.digest.startswith(written.lower()) and (dataset is None or dataset in pending.scope.datasets)
    }
    if len(found) == 1 and len(written) >= _SHORTEST:
        (pending,) = found.values()
        return Digest(pending.digest), pending
    if len({pending.digest for pending in found.values()}) == 1 and len(written) >= _SHORTEST:
        shown = "; ".join(sorted(", ".join(pending.scope.datasets) or "no dataset" for pending in found.values()))
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"The computation '{written}' is pending {len(found)} times, for the datasets: {shown}.",
            "Choose one with --dataset. If they read the same dataset, stop the worker with the older silo file.",
        )
    if len(written) == _WHOLE and not set(written.lower()) - set("0123456789abcdef"):
        return Digest(written.lower()), None
    shown = ", ".join(sorted({pending.digest[:12] for pending in waiting})) or "none"
    raise FedjobsError(
        ErrorCode.INVALID_JOB,
        f"'{written}' does not identify one pending computation. Pending computations: {shown}.",
        f"Give at least {_SHORTEST} digits of one of these digests, or a whole digest.",
    )
