"""Names, labels and annotations of the hub's objects."""

from __future__ import annotations

from fedjobs_api.names import FEDERATION, INVITE_AGAIN, JOB_UID, SERVERS_TRUST, TRUST
from fedjobs_api.names import HUB_AUDIENCE as AUDIENCE
from fedjobs_api.names import silo_invitation as invitation

__all__ = ["AUDIENCE", "FEDERATION", "INVITE_AGAIN", "JOB_UID", "SERVERS_TRUST", "TRUST", "invitation"]
"""Names that other components read are defined in `fedjobs_api`, so that they cannot differ."""

FIELD_MANAGER = "fedjobs-hub"

AUTHORITY = "fedjobs-authority"
"""The Secret with the issuers' keys, in the namespace of the authority. Only the hub may read it."""
SILOS_TRUST = "silos.crt"
"""A key in the ConfigMap of trusted issuers, like SERVERS_TRUST."""

LABELS = {"app.kubernetes.io/name": "fedjobs", "app.kubernetes.io/managed-by": FIELD_MANAGER}
ROLE = "fedjobs.dev/hub-role"
"""The label for the kind of an object: an agent's Lease, a worker's Lease or a silo's invitation."""
AGENT, WORKER, INVITATION = "agent", "worker", "invitation"
INVITATIONS = f"{ROLE}={INVITATION}"
SILO = "fedjobs.dev/silo"

ROTATE, ROTATED = "fedjobs.dev/rotate", "fedjobs.dev/rotated"
"""Annotations of the authority. A new value of the first requests a new generation. The second has the last value that
was carried out."""
START_ANEW = "fedjobs.dev/start-anew"
"""An annotation of the authority. It asks for a new authority if the Secret holds none. All silos must then be invited
again."""
AGENT_KEY = "fedjobs.dev/agent-key"
"""An annotation of a worker's Lease with the fingerprint of the key of the agent that requested it."""


def agent_lease(silo: str) -> str:
    """Returns the name of the Lease that the newest agent of a silo holds."""
    return f"fedjobs-silo-{silo}"


def worker_lease(token_hash: str) -> str:
    """Returns the name of the Lease for a worker's token. The first key that uses the token holds the Lease."""
    return f"fedjobs-worker-{token_hash}"
