"""The CustomResourceDefinitions of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from fedjobs_api.crds.schemas import Schema, head, structural
from fedjobs_api.federated_jobs import FederatedJob, Spec
from fedjobs_api.names import GROUP, VERSION
from fedjobs_api.silos import Silo, SiloSpec, SiloStatus
from fedjobs_api.statuses import FederatedJobStatus

Manifest = dict[str, Any]


def federated_job() -> Manifest:
    names = {
        "kind": "FederatedJob",
        "listKind": "FederatedJobList",
        "plural": "federatedjobs",
        "singular": "federatedjob",
        "shortNames": ["fj"],
        "categories": ["fedjobs"],
    }
    columns = [
        _column("Phase", ".status.phase"),
        _column("Round", ".status.completedRounds", "integer"),
        _column("Rounds", ".status.totalRounds", "integer", wide=True),
        _column("Ready", ".status.readySilos", "integer"),
        _column("Silos", ".status.totalSilos", "integer"),
        _column("Restarts", ".status.restarts", "integer"),
        _column("Dataset", ".spec.dataset", wide=True),
        _column("Result", ".status.result.uri", wide=True),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    properties = {"spec": structural(Spec), "status": structural(FederatedJobStatus)}
    return _definition(names, "Namespaced", _root(FederatedJob, properties) | {"required": ["spec"]}, columns)


def silo() -> Manifest:
    names = {
        "kind": "Silo",
        "listKind": "SiloList",
        "plural": "silos",
        "singular": "silo",
        "categories": ["fedjobs"],
    }
    columns = [
        _column("Enrolled", '.status.conditions[?(@.type=="Enrolled")].status'),
        _column("Connected", '.status.conditions[?(@.type=="Connected")].status'),
        _column("Suspended", ".spec.suspend", "boolean"),
        _column("Last heartbeat", ".status.lastHeartbeatTime", "date"),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    properties = {"spec": structural(SiloSpec) | {"default": {}}, "status": structural(SiloStatus)}
    return _definition(names, "Cluster", _root(Silo, properties), columns)


def _definition(names: dict[str, Any], scope: str, schema: Schema, columns: Sequence[Manifest]) -> Manifest:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(columns),
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [version]},
    }


def _root(model: type[BaseModel], properties: dict[str, Schema]) -> Schema:
    """Returns the schema of the whole object. The API server itself validates the metadata."""
    own: dict[str, Schema] = {
        "apiVersion": {"description": f"Always {GROUP}/{VERSION}.", "type": "string"},
        "kind": {"description": f"Always {model.__name__}.", "type": "string"},
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
    }
    return {**head(model), "type": "object", "properties": own | properties}


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> Manifest:
    """Returns a column of `kubectl get`. A wide column is shown with `-o wide` only."""
    return {"name": name, "type": kind, "jsonPath": path, **({"priority": 1} if wide else {})}
