"""The log of a worker's processes: one JSON object a line on standard error.

It never has keys or tokens, and of the data nothing but a value that could not be read. It stays in the silo.
"""

from __future__ import annotations

from fedjobs_common import logs
from structlog.typing import EventDict, WrappedLogger

_TOLD: dict[str, str] = {}


def configure(debug: bool = False) -> None:
    """Sets up the log of this process."""
    logs.configure(_with_told, debug=debug)


def tell(**fields: str) -> None:
    """Puts these into every line of this process from here on, whichever thread writes it (silo, job)."""
    _TOLD.update(fields)


def _with_told(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**_TOLD, **event}
