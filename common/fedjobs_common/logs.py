"""The logs of all processes: one JSON object per line on standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

LEVEL_AND_TIME: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
)
"""Processors that add the level and the time to every line."""


def configure(*further: Processor, debug: bool = False) -> None:
    """Configures the log of this process.

    Args:
        further: Additional processors for every line.
        debug: Whether to log debug messages.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *further,
            *LEVEL_AND_TIME,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=repr),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
