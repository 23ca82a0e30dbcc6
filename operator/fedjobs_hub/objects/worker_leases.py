"""Workers of silos, as Leases: the first key that uses a worker's token holds its Lease, and no other key can.

A Lease's name has the hash of the token, so that whoever reads Leases cannot use them. It ends with the token, or, once
it is held, with the worker's last certificate.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator import times
from fedjobs_operator.times import Time
from fedjobs_protocol.hub import silo_tokens

from fedjobs_hub import names
from fedjobs_hub.objects.silos import KnownSilo

WAITS = datetime.timedelta(days=1)
"""How long a token waits for its worker, which may wait for a GPU in its turn."""
_REMEDY = "The silo's agent can ask for another token."


@dataclass(frozen=True)
class WorkerLease:
    """One token, and its worker once there is one.

    Attributes:
        name: Of the object.
        uid: Of the object.
        silo: Its name.
        silo_uid: Of the Silo as it was then.
        agent_key: Fingerprint of the key of the agent that asked for it.
        job_uid: The one job that it is for.
        key: Fingerprint of the key that holds it; None: none yet.
        ends: When it does.
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
    """Reads a Lease that `new` has made."""
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
    """The Lease for a new token."""
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
    """The Lease when this key holds it, for the life of a certificate that is issued now."""
    times_now = {
        "renewTime": times.written_precisely(now),
        "leaseDurationSeconds": max(1, int(lifetime.total_seconds())),
    }
    return {**body, "spec": {**body["spec"], "holderIdentity": key, **times_now}}


def check_use(lease: WorkerLease | None, key: str, now: Time) -> WorkerLease:
    """The Lease of a token, which this key may use.

    Raises:
        FedjobsError: TOKEN_REFUSED.
    """
    if lease is None:
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, "The token is none of a worker.", _REMEDY)
    if lease.ends < now:
        message = f"The token of a worker of silo {lease.silo} ended at {times.written(lease.ends)}."
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, message, _REMEDY)
    if lease.key not in (None, key):
        message = f"The token of a worker of silo {lease.silo} has been used with another key."
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, message, _REMEDY)
    return lease


def check_of(lease: WorkerLease | None, silo: KnownSilo) -> WorkerLease:
    """The Lease, which was made for the agent that the silo still has.

    Raises:
        FedjobsError: WRONG_CERTIFICATE.
    """
    if lease is None or lease.silo_uid != silo.uid or lease.agent_key != silo.key:
        message = f"The worker of silo {silo.name} was started by an agent that does not count any more."
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, message, _REMEDY)
    return lease
