"""Fixtures that every folder of tests may ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.cluster.fixtures", "tests.distribution"]


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command's `main` that a test calls sets up this process's log, on a stream that ends with the test."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
