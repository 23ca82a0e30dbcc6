"""Names, labels and annotations of what the hub keeps in its cluster."""

from __future__ import annotations

FIELD_MANAGER = "fedjobs-hub"
AUDIENCE = "fedjobs-hub"
"""Of the tokens with which pods prove themselves."""

AUTHORITY = "fedjobs-authority"
"""The Secret with the issuers' keys, which nobody else may read."""
TRUST = "fedjobs-trust"
"""The ConfigMap with the issuers' certificates."""
SERVERS_TRUST, SILOS_TRUST = "servers.crt", "silos.crt"

LABELS = {"app.kubernetes.io/name": "fedjobs", "app.kubernetes.io/managed-by": FIELD_MANAGER}
ROLE = "fedjobs.dev/hub-role"
"""What an object of the hub is: an agent's Lease, a worker's Lease, a silo's invitation."""
AGENT, WORKER, INVITATION = "agent", "worker", "invitation"
INVITATIONS = f"{ROLE}={INVITATION}"
SILO, JOB_UID = "fedjobs.dev/silo", "fedjobs.dev/job-uid"

INVITE_AGAIN = "fedjobs.dev/invite-again"
"""Annotation of a Silo: with any new value it is invited again, and the key that it had counts no more."""
ROTATE, ROTATED = "fedjobs.dev/rotate", "fedjobs.dev/rotated"
"""Annotations of the authority: any new value asks for a new generation; the value that has been answered."""
AGENT_KEY = "fedjobs.dev/agent-key"
"""Annotation of a worker's Lease: fingerprint of the key of the agent that asked for it."""


def invitation(silo: str) -> str:
    """The Secret for the people of a silo."""
    return f"fedjobs-invitation-{silo}"


def agent_lease(silo: str) -> str:
    """The Lease that the newest agent of a silo holds."""
    return f"fedjobs-silo-{silo}"


def worker_lease(token_hash: str) -> str:
    """The Lease of one worker's token; the first key that uses the token holds it."""
    return f"fedjobs-worker-{token_hash}"
