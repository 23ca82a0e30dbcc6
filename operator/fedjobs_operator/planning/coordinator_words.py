"""What a coordinator says about itself, made fit for the status of its job.

A program controls its coordinator's process. The API server rejects a status with a number, a reason or a size that the
schema does not allow. The job could then never end, and its silos would stay invited. So each value is checked where it
enters, and the rest of the status does not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from fedjobs_common.errors import ErrorCode
from fedjobs_common.jobs.statuses import FinalWord, ResultLocation, SiloStatus, Status
from fedjobs_common.untrusted_text import printable, printable_lines

_LARGEST = 2**31 - 1
_MOST_SILOS = 1000
_LONGEST_NAME, _LONGEST_REASON, _LONGEST_MESSAGE, _LONGEST_URI = 200, 200, 1024, 2048
_CODE = re.compile(r"[A-Za-z]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
Said = TypeVar("Said", Status, FinalWord)


def checked(said: Said) -> Said:
    """Returns what a coordinator said, with bounded numbers and printable, bounded texts."""
    changes = {
        "round": _count(said.round),
        "rounds": _count(said.rounds),
        "code": said.code if not said.code or _CODE.fullmatch(said.code) else ErrorCode.PROGRAM_FAILED.label,
        "message": printable_lines(said.message, _LONGEST_MESSAGE),
        "computation": said.computation if _DIGEST.fullmatch(said.computation) else "",
        "result": _result(said.result),
        "silos": [_silo(each) for each in said.silos[:_MOST_SILOS]],
        "metrics": _metrics(said.metrics),
    }
    if isinstance(said, Status):
        changes["generation"] = _count(said.generation)
    return said.model_copy(update=changes)


def _silo(said: SiloStatus) -> SiloStatus:
    return said.model_copy(
        update={
            "activity": printable(said.activity, _LONGEST_REASON),
            "reason": printable(said.reason, _LONGEST_REASON),
            "message": printable(said.message, _LONGEST_MESSAGE),
            "device": printable(said.device, _LONGEST_REASON),
            "clients": _count(said.clients),
            "restarts": _count(said.restarts),
        }
    )


def _result(said: ResultLocation | None) -> ResultLocation | None:
    if said is None:
        return None
    digest = said.digest if _DIGEST.fullmatch(said.digest) else ""
    return ResultLocation(uri=printable(said.uri, _LONGEST_URI), digest=digest)


def _metrics(said: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in said.items() if name.isprintable() and len(name) <= _LONGEST_NAME}


def _count(said: int) -> int:
    return min(max(0, said), _LARGEST)
