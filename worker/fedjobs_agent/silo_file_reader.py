"""Reads the silo file repeatedly, because it may be edited while the agent runs."""

from __future__ import annotations

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.config import AgentConfig

_LOG = structlog.get_logger()


class SiloFileReader:
    """Reads the silo file. While the file is invalid, returns its last valid content. Thread-safe.

    Args:
        config: The agent's configuration, with the path of the file.

    Raises:
        FedjobsError: INVALID_SILO_FILE if the file is invalid or has another silo's name.
    """

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._valid = self._read()

    def current(self) -> SiloFile:
        """Returns the current content, or the last valid content."""
        try:
            self._valid = self._read()
        except FedjobsError as error:
            _LOG.error("the silo file is invalid; using its last valid content", error=error.public)
        return self._valid

    def _read(self) -> SiloFile:
        return silo_files.load_named(self._config.silo_file, self._config.silo)
