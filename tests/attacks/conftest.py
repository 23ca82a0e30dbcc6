"""A silo that runs for real is that of the worker's tests."""

from tests.worker.conftest import runner_host, silo

__all__ = ["runner_host", "silo"]
