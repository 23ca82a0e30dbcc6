"""What is to be done about a job, as a value: `plans` decides it, `applying` and `reconciling` carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.times import Time


@dataclass(frozen=True)
class Plan:
    """What to do, in this order; the status is written last, so that a plan that was interrupted is made again.

    Attributes:
        resolved: What the job is run as. It is written down, once, before anything else is done; None: there is
            nothing to write down.
        apply: Manifests of what shall be there. Objects that cannot change once they are there are in it until then.
        withdraw: What leads to the coordinator shall be gone: Service, NetworkPolicy and the front door's route.
        suspend: Names of Jobs, and whether they shall be suspended.
        delete: Names of Jobs that shall be gone.
        own_claim: From now on the coordinator's claim is deleted together with the job.
        delete_job: The FederatedJob itself shall be gone.
        follow: The coordinator's reports are to be listened to.
        exclude: What the coordinator is to be told of silos that take part no more.
        status: What the job's status shall be.
        look_again: When the answer may be another one though nothing has happened.
    """

    status: FederatedJobStatus
    resolved: ResolvedJob | None = None
    apply: tuple[Mapping[str, Any], ...] = ()
    withdraw: bool = False
    suspend: Mapping[str, bool] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    own_claim: bool = False
    delete_job: bool = False
    follow: bool = False
    exclude: tuple[Exclusion, ...] = ()
    look_again: Time | None = None
