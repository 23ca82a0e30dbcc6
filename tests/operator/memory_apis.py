"""An API server that is a dictionary, for what is about the calls and not about the server's answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from fedjobs_operator.kubernetes_api import ApiError, KubernetesApi


class MemoryApi(KubernetesApi):
    """Keeps objects by kind and name, and all calls: `("create", "Secret", "digits-coordinator")`."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.refused: dict[tuple[str, str], ApiError] = {}
        """What is raised at a call, by its verb and kind."""

    def called(self, verb: str, kind: str) -> list[str]:
        """Names of the objects in such calls."""
        return [name for of, what, name in self.calls if (of, what) == (verb, kind)]

    def _called(self, verb: str, kind: str, name: str) -> None:
        self.calls.append((verb, kind, name))
        if (verb, kind) in self.refused:
            raise self.refused[verb, kind]

    def apply(self, manifest: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        self._called("apply", kind, name)
        known = self.objects.get((kind, name), {"metadata": {"resourceVersion": "1"}})
        metadata = known["metadata"] | manifest["metadata"]
        self.objects[kind, name] = copy.deepcopy(known | dict(manifest) | {"metadata": metadata})
        return self.objects[kind, name]

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        self._called("create", kind, name)
        if (kind, name) in self.objects:
            return None
        created = copy.deepcopy(dict(manifest))
        made = {"uid": f"{kind}-{len(self.calls)}", "resourceVersion": "1", "creationTimestamp": "2026-01-31T12:00:00Z"}
        created["metadata"] |= made
        self.objects[kind, name] = created
        return created

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        self._called("get", kind, name)
        return self.objects.get((kind, name))

    def merge(self, kind: str, namespace: str, name: str, change: Mapping[str, Any]) -> None:
        self._called("merge", kind, name)
        if (kind, name) in self.objects:
            self.objects[kind, name]["spec"] |= change["spec"]

    def delete(self, kind: str, namespace: str, name: str, *, uid: str | None = None) -> None:
        self._called("delete", kind, name)
        self.objects.pop((kind, name), None)
