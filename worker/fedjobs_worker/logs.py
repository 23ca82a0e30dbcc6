"""The log of a worker's processes: JSON lines on standard error.

The log never contains keys or tokens. It contains no data, except for values that could not be parsed. It stays in the
silo.
"""

from __future__ import annotations

from fedjobs_common import logs
from structlog.typing import EventDict, WrappedLogger

_TOLD: dict[str, str] = {}


def configure(debug: bool = False) -> None:
    """Sets up the log of this process."""
    logs.configure(_with_told, debug=debug)


def tell(**fields: str) -> None:
    """Adds fields, such as the silo and the job, to all later lines of all threads of this process."""
    _TOLD.update(fields)


def _with_told(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**_TOLD, **event}
