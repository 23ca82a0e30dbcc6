"""Registers the kopf handlers. They only pass objects on to the operator, which reconciles from its cache.

There are no finalizers, because the cluster itself deletes a job's children. So deleting a job never hangs, even if no
operator runs.
"""

from __future__ import annotations

from typing import Any

import kopf
from fedjobs_api.names import API_VERSION, SELECTOR

from fedjobs_operator.controller.operator import Operator

_GROUP, _VERSION = API_VERSION.split("/")
_START_AGAIN_S = 2.0
"""During an installation, the RBAC rules or the API server may not be ready yet."""
_CHILDREN = {
    "Job": ("batch", "v1", "jobs"),
    "Pod": ("", "v1", "pods"),
    "PersistentVolumeClaim": ("", "v1", "persistentvolumeclaims"),
}


def register(registry: kopf.OperatorRegistry, operator: Operator) -> None:
    """Registers an operator's handlers with kopf."""

    @kopf.on.login(registry=registry)
    def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_via_client(**arguments)

    @kopf.on.startup(registry=registry, backoff=_START_AGAIN_S)
    async def _start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        await operator.start()

    @kopf.on.cleanup(registry=registry)
    async def _stop(**_: Any) -> None:
        await operator.stop()

    @kopf.on.event(_GROUP, _VERSION, "federatedjobs", registry=registry)
    async def _job(event: kopf.RawEvent, **_: Any) -> None:
        await operator.saw_job(event["object"], deleted=event["type"] == "DELETED")

    @kopf.on.event(_GROUP, _VERSION, "silos", registry=registry)
    async def _silo(event: kopf.RawEvent, **_: Any) -> None:
        await operator.saw_silo(event["object"], deleted=event["type"] == "DELETED")

    for kind, resource in _CHILDREN.items():
        _watch_children(registry, operator, kind, *resource)


def configure(settings: kopf.OperatorSettings) -> None:
    """Configures kopf: watches only child objects of jobs, and disables resource scanning and kopf's own events."""
    for resource in _CHILDREN.values():
        settings.watching.label_selectors[resource] = SELECTOR
    settings.scanning.disabled = True
    settings.posting.enabled = False


def _watch_children(
    registry: kopf.OperatorRegistry, operator: Operator, kind: str, group: str, version: str, plural: str
) -> None:
    @kopf.on.event(group, version, plural, registry=registry, id=f"watch-{plural}")
    async def _child(event: kopf.RawEvent, **_: Any) -> None:
        await operator.saw_child(kind, event["object"], deleted=event["type"] == "DELETED")
