"""The federation's issuers of certificates, kept in one Secret of the operator's namespace."""

from __future__ import annotations

import base64
from typing import Any

from fedjobs_protocol.certificates import Issuer, Purpose
from fedjobs_protocol.identities import RunAuthority

from fedjobs_operator.kubernetes_api import KubernetesApi
from fedjobs_operator.names import AUTHORITY

_ISSUERS = {"silos": Purpose.CLIENT, "coordinators": Purpose.SERVER}


def load_or_create(api: KubernetesApi, namespace: str) -> RunAuthority:
    """The authority; made once. Of two operators that make one at the same time, one wins."""
    found = api.get("Secret", namespace, AUTHORITY)
    if found is None:
        api.create(_secret(RunAuthority.create(), namespace))
        found = api.get("Secret", namespace, AUTHORITY)
    if found is None:
        raise RuntimeError(f"the Secret {AUTHORITY} was deleted while it was made")
    entries = {name: base64.b64decode(content) for name, content in found["data"].items()}
    issuers = {
        name: Issuer(entries[f"{name}.crt"], entries[f"{name}.key"], purpose) for name, purpose in _ISSUERS.items()
    }
    return RunAuthority(**issuers)


def _secret(authority: RunAuthority, namespace: str) -> dict[str, Any]:
    entries: dict[str, bytes] = {}
    for name in _ISSUERS:
        issuer: Issuer = getattr(authority, name)
        entries |= {f"{name}.crt": issuer.certificate, f"{name}.key": issuer.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": AUTHORITY, "namespace": namespace, "labels": {"app.kubernetes.io/name": "fedjobs"}},
        "type": "Opaque",
        "data": {name: base64.b64encode(content).decode() for name, content in entries.items()},
    }
