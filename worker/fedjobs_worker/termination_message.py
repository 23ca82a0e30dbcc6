"""What a worker says at its end, for who started it: one JSON object, the termination message of its container."""

from __future__ import annotations

import enum
from pathlib import Path

from fedjobs_common.errors import FedjobsError
from fedjobs_common.models import Model
from pydantic import ValidationError

_LONGEST = 2000  # characters of a message; Kubernetes keeps 4096 bytes of all


class Outcome(enum.StrEnum):
    """How a silo's part in a job ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    """The job failed for good."""
    SUSPENDED = "Suspended"
    """The job may go on later."""
    DECLINED = "Declined"
    """The silo's policy said no."""
    INTERRUPTED = "Interrupted"
    """The worker was asked to end before the job did."""
    ERROR = "Error"
    """The worker could not go on; another start may."""


class LastWord(Model):
    outcome: Outcome
    code: str = ""
    """Of the error catalogue."""
    message: str = ""


def of_error(error: FedjobsError) -> LastWord:
    """The last word of a worker that could not go on."""
    return LastWord(outcome=Outcome.ERROR, code=error.code.label, message=error.public[:_LONGEST])


def write(path: Path | None, word: LastWord) -> None:
    """Says it; a container's file exists and is not replaced, but written to."""
    if path is not None:
        path.write_text(word.model_dump_json(by_alias=True))


def parse(text: str) -> LastWord | None:
    """What was said; None for what is none (a crash leaves nothing, or the end of a log)."""
    try:
        return LastWord.model_validate_json(text)
    except ValidationError:
        return None
