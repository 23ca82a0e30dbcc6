"""The silo's own file, as an agent reads it: again and again, because people edit it."""

from __future__ import annotations

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.config import AgentConfig

_LOG = structlog.get_logger()


class SiloFileReader:
    """Reads it; while it is not valid, it is what it was. May be used from several threads.

    Args:
        config: The agent's, which says where it is.

    Raises:
        FedjobsError: INVALID_SILO_FILE; also where it is another silo's.
    """

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._valid = self._read()

    def current(self) -> SiloFile:
        """As it is now, or as it was when it last was valid."""
        try:
            self._valid = self._read()
        except FedjobsError as error:
            _LOG.error("the silo's file is not valid any more; going on with what it was", error=error.public)
        return self._valid

    def _read(self) -> SiloFile:
        return silo_files.load_named(self._config.silo_file, self._config.silo)
