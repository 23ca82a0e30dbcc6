"""An API server in memory, for tests of what the hub stores."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource


class MemoryCluster(ClusterApi):
    """Stores objects by resource, namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Resource, str | None, str], Body] = {}

    def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        return copy.deepcopy(self.objects.get((resource, namespace, name)))

    def all(self, resource: Resource, namespace: str | None, selector: str = "") -> tuple[list[Body], str]:
        return [body for (of, _, _), body in self.objects.items() if of is resource], "1"

    def create(self, resource: Resource, body: Mapping[str, Any]) -> Body | None:
        metadata = body["metadata"]
        key = (resource, metadata.get("namespace"), metadata["name"])
        if key in self.objects:
            return None
        self.objects[key] = copy.deepcopy({**body, "metadata": {**metadata, "resourceVersion": "1"}})
        return self.objects[key]

    def replace(self, resource: Resource, body: Mapping[str, Any]) -> Body | None:
        metadata = body["metadata"]
        self.objects[resource, metadata.get("namespace"), metadata["name"]] = copy.deepcopy(dict(body))
        return dict(body)
