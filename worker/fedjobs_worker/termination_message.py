"""The termination message of a worker: a JSON object that tells its agent how it ended."""

from __future__ import annotations

import enum
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.models import Model
from fedjobs_common.untrusted_text import printable
from pydantic import ValidationError

_LONGEST = 2000  # maximum number of characters; Kubernetes keeps 4096 bytes


class Outcome(enum.StrEnum):
    """How a silo's part in a job ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    """The job failed permanently."""
    SUSPENDED = "Suspended"
    """The job may be resumed later."""
    DECLINED = "Declined"
    """The silo's policy does not allow the job."""
    INTERRUPTED = "Interrupted"
    """The worker was stopped before the job ended."""
    ERROR = "Error"
    """The worker failed. A restart may succeed."""


class LastWord(Model):
    outcome: Outcome
    code: str = ""
    """A code of the error catalogue."""
    message: str = ""


_OF_JOBS = frozenset({Outcome.COMPLETE, Outcome.FAILED, Outcome.SUSPENDED})


def outcome_of_job(said: str) -> Outcome:
    """Returns how a job ended, as its coordinator says.

    Raises:
        FedjobsError: VERSION_MISMATCH if this release does not know the outcome.
    """
    if said in _OF_JOBS:
        return Outcome(said)
    raise FedjobsError(
        ErrorCode.VERSION_MISMATCH,
        f"The coordinator ended the job with the unknown outcome '{printable(said, 40)}'.",
        "Install the same release of fedjobs at the silo and at the coordinator.",
    )


def of_error(error: FedjobsError) -> LastWord:
    """Returns the termination message of a worker that failed."""
    return LastWord(outcome=Outcome.ERROR, code=error.code.label, message=error.public[:_LONGEST])


def write(path: Path | None, word: LastWord) -> None:
    """Writes the message. In a container, the file is a mount that cannot be replaced, so it is written in place."""
    if path is not None:
        path.write_text(word.model_dump_json(by_alias=True))


def parse(text: str) -> LastWord | None:
    """Parses a termination message. Returns None if it is invalid: after a crash, it is empty or the end of a log."""
    try:
        return LastWord.model_validate_json(text)
    except ValidationError:
        return None
