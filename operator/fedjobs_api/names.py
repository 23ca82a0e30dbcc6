"""Names and labels of what belongs to a FederatedJob: the same for the same job, so that nothing is made twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GROUP, VERSION, PLURAL, KIND = "fedjobs.dev", "v1alpha1", "federatedjobs", "FederatedJob"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "fedjobs-operator"
HUB_AUDIENCE = "fedjobs-hub"
"""Of the tokens with which pods prove themselves to the hub."""
TRUST, SERVERS_TRUST = "fedjobs-trust", "servers.crt"
"""The hub's ConfigMap in the operator's namespace, and its entry with the issuers of servers' certificates."""
INVITE_AGAIN = "fedjobs.dev/invite-again"
"""Annotation of a Silo: with any new value it is invited again, and the key that it had counts no more."""

MANAGED_BY = "app.kubernetes.io/managed-by"
JOB, JOB_UID, ATTEMPT = "fedjobs.dev/job", "fedjobs.dev/job-uid", "fedjobs.dev/attempt"
JOB_NAMESPACE = "fedjobs.dev/job-namespace"
QUEUE = "kueue.x-k8s.io/queue-name"
SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER}"
"""Selects everything that the operator made."""

SESSION_PORT, METRICS_PORT = 8443, 9090


@dataclass(frozen=True)
class JobRef:
    """Which FederatedJob is meant."""

    namespace: str
    name: str
    uid: str

    @property
    def resolved(self) -> str:
        """Its ConfigMap with the resolved job."""
        return f"{self.name}-resolved"

    @property
    def coordinator(self) -> str:
        """The beginning of other names."""
        return f"{self.name}-coordinator"

    @property
    def claim(self) -> str:
        """The coordinator's claim. It may outlive the job, and is not that of a later job of the same name."""
        return f"{self.coordinator}-{self._short}"

    @property
    def hub(self) -> str:
        """Its ConfigMap with whom the coordinator trusts to be the hub."""
        return f"{self.name}-hub"

    def attempt(self, number: int) -> str:
        """The Job of one attempt."""
        return f"{self.coordinator}-{number}"

    @property
    def service(self) -> str:
        """The coordinator's Service and network policy, and the route in the operator's namespace."""
        return f"j-{self.uid.replace('-', '')[:16]}"

    @property
    def address(self) -> str:
        """`host:port` inside the cluster."""
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
        """Makes the cluster delete what carries it together with the job."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    def metadata(self, name: str, component: str, *, owned: bool = True) -> dict[str, Any]:
        """Metadata of a child."""
        metadata: dict[str, Any] = {"name": name, "namespace": self.namespace, "labels": self.labels(component)}
        if owned:
            metadata["ownerReferences"] = [self.owner()]
        return metadata


def silo_invitation(silo: str) -> str:
    """The Secret with a silo's invitation, in the hub's namespace, for the people of the silo."""
    return f"fedjobs-invitation-{silo}"
