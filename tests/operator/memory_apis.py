"""An API server in memory, for tests about which calls are made."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from fedjobs_api.api_calls import ApiError
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi


class MemoryApi(KubernetesApi):
    """Stores objects by kind and name, and records all calls: `("create", "Job", "digits-coordinator-1")`.

    The name of an object outside the jobs' namespace includes its namespace: `fedjobs-system/j-0f8e7d6c5b4a4938`.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.refused: dict[tuple[str, str], ApiError] = {}
        """The error that a call raises, by its verb and kind."""

    def called(self, verb: str, kind: str) -> list[str]:
        """Returns the names of the objects in calls with this verb and kind."""
        return [name for of, what, name in self.calls if (of, what) == (verb, kind)]

    def _called(self, verb: str, kind: str, name: str) -> None:
        self.calls.append((verb, kind, name))
        if (verb, kind) in self.refused:
            raise self.refused[verb, kind]

    def apply(self, manifest: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        kind, name = manifest["kind"], _name(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        self._called("apply", kind, name)
        known = self.objects.get((kind, name), {"metadata": {"resourceVersion": "1"}})
        metadata = known["metadata"] | manifest["metadata"]
        self.objects[kind, name] = copy.deepcopy(known | dict(manifest) | {"metadata": metadata})
        return self.objects[kind, name]

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any] | None:
        kind, name = manifest["kind"], _name(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if dry_run:
            return copy.deepcopy(dict(manifest))
        self._called("create", kind, name)
        if (kind, name) in self.objects:
            return None
        created = copy.deepcopy(dict(manifest))
        # The UID of a Job is that of `an_attempt`.
        uid = f"job-{name.rpartition('-')[2]}" if kind == "Job" else f"{kind}-{len(self.calls)}"
        made = {"uid": uid, "resourceVersion": "1", "creationTimestamp": "2026-01-31T12:00:00Z"}
        created["metadata"] |= made
        self.objects[kind, name] = created
        return created

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        name = _name(namespace, name)
        self._called("get", kind, name)
        return self.objects.get((kind, name))

    def merge(self, kind: str, namespace: str, name: str, change: Mapping[str, Any]) -> None:
        self._called("merge", kind, name)
        if (kind, name) in self.objects:
            for part, fields in change.items():
                self.objects[kind, name][part] |= fields

    def each(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "", accept: str = ""
    ) -> Iterator[dict[str, Any]]:
        self._called("each", kind, namespace)
        wanted = dict(label.split("=") for label in labels.split(",") if label)
        found = [body for (of, _), body in self.objects.items() if of == kind]
        yield from (each for each in found if wanted.items() <= each["metadata"].get("labels", {}).items())

    def delete(self, kind: str, namespace: str, name: str, *, uid: str | None = None) -> None:
        name = _name(namespace, name)
        self._called("delete", kind, name)
        self.objects.pop((kind, name), None)


def _name(namespace: str, name: str) -> str:
    return name if namespace == "team" else f"{namespace}/{name}"
