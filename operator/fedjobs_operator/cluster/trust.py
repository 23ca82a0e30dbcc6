"""Reads the issuers of server certificates, which the hub publishes, and checks that the cluster is this release's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from fedjobs_api import federations
from fedjobs_api.names import FEDERATION, SERVERS_TRUST, TRUST
from fedjobs_common.errors import FedjobsError

from fedjobs_operator.cluster.kubernetes_api import KubernetesApi

_EVERY_S = 10.0
"""A rotation of the authority takes days."""
_LOG = structlog.get_logger()


class Trust:
    """Polls the hub's ConfigMap.

    Args:
        api: The API server.
        namespace: The operator's namespace.

    Attributes:
        pem: The issuers of server certificates, as PEM. Empty if the hub has not published them yet.
    """

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.pem = ""

    def look(self) -> bool:
        """Reads the ConfigMap and returns whether it has changed. A deleted ConfigMap changes nothing. Blocks.

        Raises:
            ApiError: The ConfigMap cannot be read.
            FedjobsError: FEDERATION_EXISTS if the cluster belongs to another release.
        """
        federations.check(self._api.get("ClusterRole", "", FEDERATION), self._namespace)
        config = self._api.get("ConfigMap", self._namespace, TRUST) or {}
        before, self.pem = self.pem, config.get("data", {}).get(SERVERS_TRUST, "") or self.pem
        return self.pem != before

    async def run(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Polls periodically. Never returns.

        Raises:
            FedjobsError: FEDERATION_EXISTS. The operator must not continue.
        """
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                if await asyncio.to_thread(self.look):
                    await changed()
            except FedjobsError:
                raise
            except Exception as error:  # a bad response or object must not end the loop
                _LOG.warning("the hub's issuers cannot be read, it is retried", config=TRUST, error=str(error))
