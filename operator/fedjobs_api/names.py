"""Names and labels of a FederatedJob's objects. They are deterministic, so that no object is created twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GROUP, VERSION, PLURAL, KIND = "fedjobs.dev", "v1alpha1", "federatedjobs", "FederatedJob"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "fedjobs-operator"
HUB_AUDIENCE = "fedjobs-hub"
"""Audience of the service account tokens with which pods authenticate to the hub."""
TRUST, SERVERS_TRUST = "fedjobs-trust", "servers.crt"
"""The hub's ConfigMap in the operator's namespace, and its key with the issuers of server certificates."""
FEDERATION, FEDERATION_NAMESPACE = "fedjobs.dev:federation", "fedjobs.dev/federation-namespace"
"""The chart's ClusterRole that marks a cluster, and its annotation with the namespace of the release."""
INVITE_AGAIN = "fedjobs.dev/invite-again"
"""Annotation of a Silo. A new value invites the silo again and revokes its current key."""

MANAGED_BY = "app.kubernetes.io/managed-by"
JOB, JOB_UID, ATTEMPT = "fedjobs.dev/job", "fedjobs.dev/job-uid", "fedjobs.dev/attempt"
JOB_NAMESPACE = "fedjobs.dev/job-namespace"
QUEUE = "kueue.x-k8s.io/queue-name"
SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER}"
"""Selects all objects that the operator created."""

SESSION_PORT, METRICS_PORT = 8443, 9090


@dataclass(frozen=True)
class JobRef:
    """Identifies a FederatedJob."""

    namespace: str
    name: str
    uid: str

    @property
    def resolved(self) -> str:
        """Name of the ConfigMap that holds the resolved job."""
        return f"{self.name}-resolved"

    @property
    def coordinator(self) -> str:
        """Prefix of other names."""
        return f"{self.name}-coordinator"

    @property
    def claim(self) -> str:
        """Name of the coordinator's claim. It is unique to this job, because the claim can outlive the job."""
        return f"{self.coordinator}-{self._short}"

    @property
    def hub(self) -> str:
        """Name of the ConfigMap with the certificates by which the coordinator trusts the hub."""
        return f"{self.name}-hub"

    def attempt(self, number: int) -> str:
        """Returns the name of an attempt's Job."""
        return f"{self.coordinator}-{number}"

    def number(self, name: str) -> int | None:
        """Returns the number of the attempt whose Job has this name. None if it is not the name of an attempt."""
        digits = name.removeprefix(f"{self.coordinator}-")
        is_number = digits.isascii() and digits.isdigit() and not digits.startswith("0")
        return int(digits) if digits != name and is_number else None

    @property
    def service(self) -> str:
        """Name of the coordinator's Service and NetworkPolicy, and of the route in the operator's namespace."""
        return f"j-{self.uid.replace('-', '')[:16]}"

    @property
    def address(self) -> str:
        """The coordinator's `host:port` inside the cluster."""
        return f"{self.service}.{self.namespace}.svc:{SESSION_PORT}"

    @property
    def _short(self) -> str:
        return self.uid.replace("-", "")[:8]

    def labels(self, component: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": "fedjobs",
            "app.kubernetes.io/component": component,
            MANAGED_BY: FIELD_MANAGER,
            JOB: self.name,
            JOB_UID: self.uid,
        }

    def owner(self) -> dict[str, Any]:
        """Returns an owner reference. The cluster deletes objects that have it together with the job."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    def metadata(self, name: str, component: str, *, owned: bool = True) -> dict[str, Any]:
        """Returns the metadata of a child object."""
        metadata: dict[str, Any] = {"name": name, "namespace": self.namespace, "labels": self.labels(component)}
        if owned:
            metadata["ownerReferences"] = [self.owner()]
        return metadata


def silo_invitation(silo: str) -> str:
    """Returns the name of the Secret with a silo's invitation, in the hub's namespace."""
    return f"fedjobs-invitation-{silo}"
