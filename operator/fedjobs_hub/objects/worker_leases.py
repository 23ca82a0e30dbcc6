"""The Leases of workers. The first key that uses a worker's token holds its Lease, and no other key can use the token.

The name of a Lease contains the hash of the token, so that the token cannot be read from it. A Lease expires with the
token, or with the worker's last certificate once a key holds the Lease.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api import times
from fedjobs_api.times import Time
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens

from fedjobs_hub import names
from fedjobs_hub.objects.silos import KnownSilo

WAITS = datetime.timedelta(days=1)
"""The lifetime of an unused token. Its worker may wait for a GPU."""
_REMEDY = "The silo's agent must request a new token."


@dataclass(frozen=True)
class WorkerLease:
    """A worker's token, and its worker once a key holds the Lease.

    Attributes:
        name: The name of the Lease.
        uid: The uid of the Lease.
        silo: The name of the silo.
        silo_uid: The uid of the Silo at that time.
        agent_key: The fingerprint of the key of the agent that requested the token.
        job_uid: The uid of the worker's job.
        key: The fingerprint of the key that holds the Lease, or None.
        ends: The time when the Lease expires.
    """

    name: str
    uid: str
    silo: str
    silo_uid: str
    agent_key: str
    job_uid: str
    key: str | None
    ends: Time


def parsed(body: Mapping[str, Any]) -> WorkerLease:
    """Parses a Lease that `new` returned."""
    metadata, spec = body["metadata"], body["spec"]
    lasts = datetime.timedelta(seconds=spec["leaseDurationSeconds"])
    return WorkerLease(
        name=metadata["name"],
        uid=metadata["uid"],
        silo=metadata["labels"][names.SILO],
        silo_uid=metadata["ownerReferences"][0]["uid"],
        agent_key=metadata["annotations"][names.AGENT_KEY],
        job_uid=metadata["labels"][names.JOB_UID],
        key=spec.get("holderIdentity") or None,
        ends=times.read(spec["renewTime"]) + lasts,
    )


def new(secret: str, silo: KnownSilo, job_uid: str, namespace: str, now: Time) -> dict[str, Any]:
    """Returns the Lease for a new token."""
    labels = {**names.LABELS, names.ROLE: names.WORKER, names.SILO: silo.name, names.JOB_UID: job_uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": names.worker_lease(silo_tokens.hashed(secret)),
            "namespace": namespace,
            "labels": labels,
            "annotations": {names.AGENT_KEY: silo.key or ""},
            "ownerReferences": [silo.owner()],
        },
        "spec": {"renewTime": times.written_precisely(now), "leaseDurationSeconds": int(WAITS.total_seconds())},
    }


def held(body: Mapping[str, Any], key: str, now: Time, lifetime: datetime.timedelta) -> dict[str, Any]:
    """Returns the Lease held by this key, for the lifetime of a certificate that is issued now."""
    times_now = {
        "renewTime": times.written_precisely(now),
        "leaseDurationSeconds": max(1, int(lifetime.total_seconds())),
    }
    return {**body, "spec": {**body["spec"], "holderIdentity": key, **times_now}}


def check_use(lease: WorkerLease | None, key: str, now: Time) -> WorkerLease:
    """Returns the Lease of a token if this key may use the token.

    Raises:
        FedjobsError: INVALID_TOKEN.
    """
    if lease is None:
        raise FedjobsError(ErrorCode.INVALID_TOKEN, "The token does not belong to a worker.", _REMEDY)
    if lease.ends < now:
        message = f"The token of a worker of silo {lease.silo} expired at {times.written(lease.ends)}."
        raise FedjobsError(ErrorCode.INVALID_TOKEN, message, _REMEDY)
    if lease.key not in (None, key):
        message = f"The token of a worker of silo {lease.silo} has been used with another key."
        raise FedjobsError(ErrorCode.INVALID_TOKEN, message, _REMEDY)
    return lease


def check_of(lease: WorkerLease | None, silo: KnownSilo) -> WorkerLease:
    """Returns the Lease if it was created for the silo's current agent key.

    Raises:
        FedjobsError: INVALID_CERTIFICATE.
    """
    if lease is None or lease.silo_uid != silo.uid or lease.agent_key != silo.key:
        message = f"The worker of silo {silo.name} was started by an agent whose key was revoked."
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, _REMEDY)
    return lease
