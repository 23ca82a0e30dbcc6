"""Fixtures for all folders of tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.cluster.fixtures", "tests.distribution"]


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Resets the process's log. A command's `main` sets it up on a stream that ends with the test."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
