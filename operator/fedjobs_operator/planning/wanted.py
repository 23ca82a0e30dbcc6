"""All that shall be there of a job whose coordinator runs, or is about to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.children import networking, routes, storage, trusts
from fedjobs_operator.children.coordinator_jobs import coordinator_job
from fedjobs_operator.names import JobRef
from fedjobs_operator.planning.observations import Observed
from fedjobs_operator.settings import Settings


def wanted_children(
    ref: JobRef,
    job: FederatedJob,
    number: int,
    observed: Observed,
    settings: Settings,
    *,
    reachable: bool,
    routed: bool,
) -> tuple[Mapping[str, Any], ...]:
    """The manifests, in the order in which they are needed; of what cannot change, only those that are not there.

    Args:
        ref: Which job.
        job: As it is written now.
        number: Of the coordinator's attempt.
        observed: What is there.
        settings: Of the operator.
        reachable: Whether there shall be a way to the coordinator; a Service has an address of its cluster's few.
        routed: Whether the front door shall lead to the coordinator.
    """
    children = [networking.service(ref), networking.network_policy(ref)] if reachable else []
    if routed:
        children.append(routes.route(ref, settings))
    if observed.trust:
        children.append(trusts.hub_config(ref, observed.trust))
    if not observed.claim_phase:
        children.append(storage.claim(ref, job))
    if not any(attempt.number == number for attempt in observed.attempts):
        children.append(coordinator_job(ref, job, number, settings))
    return tuple(children)
