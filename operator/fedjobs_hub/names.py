"""Names, labels and annotations of what the hub keeps in its cluster."""

from __future__ import annotations

from fedjobs_api.names import HUB_AUDIENCE as AUDIENCE
from fedjobs_api.names import INVITE_AGAIN, JOB_UID, SERVERS_TRUST, TRUST
from fedjobs_api.names import silo_invitation as invitation

__all__ = ["AUDIENCE", "INVITE_AGAIN", "JOB_UID", "SERVERS_TRUST", "TRUST", "invitation"]
"""Names that others read are the operator's, so that a hub and who asks it cannot differ."""

FIELD_MANAGER = "fedjobs-hub"

AUTHORITY = "fedjobs-authority"
"""The Secret with the issuers' keys, which nobody else may read."""
SILOS_TRUST = "silos.crt"
"""Beside SERVERS_TRUST in the ConfigMap of issuers."""

LABELS = {"app.kubernetes.io/name": "fedjobs", "app.kubernetes.io/managed-by": FIELD_MANAGER}
ROLE = "fedjobs.dev/hub-role"
"""What an object of the hub is: an agent's Lease, a worker's Lease, a silo's invitation."""
AGENT, WORKER, INVITATION = "agent", "worker", "invitation"
INVITATIONS = f"{ROLE}={INVITATION}"
SILO = "fedjobs.dev/silo"

ROTATE, ROTATED = "fedjobs.dev/rotate", "fedjobs.dev/rotated"
"""Annotations of the authority: any new value asks for a new generation; the value that has been answered."""
AGENT_KEY = "fedjobs.dev/agent-key"
"""Annotation of a worker's Lease: fingerprint of the key of the agent that asked for it."""


def agent_lease(silo: str) -> str:
    """The Lease that the newest agent of a silo holds."""
    return f"fedjobs-silo-{silo}"


def worker_lease(token_hash: str) -> str:
    """The Lease of one worker's token; the first key that uses the token holds it."""
    return f"fedjobs-worker-{token_hash}"
