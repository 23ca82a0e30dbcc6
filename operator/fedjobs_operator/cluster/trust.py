"""Whom everybody in the federation's cluster trusts to be the hub: what the hub has published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from fedjobs_api.names import SERVERS_TRUST, TRUST

from fedjobs_operator.cluster.kubernetes_api import KubernetesApi

_EVERY_S = 10.0
"""A rotation of the authority takes days."""
_LOG = structlog.get_logger()


class Trust:
    """Follows the hub's ConfigMap.

    Args:
        api: The API server.
        namespace: The operator's own.

    Attributes:
        pem: The issuers of servers' certificates; empty: the hub has not said them yet.
    """

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.pem = ""

    def look(self) -> bool:
        """Reads it; whether it has changed. What was known stays where it is gone. Blocks.

        Raises:
            ApiError: It cannot be read.
        """
        config = self._api.get("ConfigMap", self._namespace, TRUST) or {}
        before, self.pem = self.pem, config.get("data", {}).get(SERVERS_TRUST, "") or self.pem
        return self.pem != before

    async def run(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Looks again and again; never returns."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                if await asyncio.to_thread(self.look):
                    await changed()
            except Exception as error:  # one bad answer, or object, must not end it
                _LOG.warning("whom to trust cannot be read", config=TRUST, error=str(error))
