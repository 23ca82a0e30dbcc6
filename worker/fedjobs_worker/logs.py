"""The log of a worker's processes: one JSON object a line on standard error.

It never has keys or tokens, and of the data nothing but a value that could not be read. It stays in the silo.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

_TOLD: dict[str, str] = {}


def configure(debug: bool = False) -> None:
    """Sets up the log of this process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_told,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=repr),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def tell(**fields: str) -> None:
    """Puts these into every line of this process from here on, whichever thread writes it (silo, job)."""
    _TOLD.update(fields)


def _with_told(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**_TOLD, **event}
