"""A plan for a job, as a value. The `planner` decides it. The `Applier` and the `Reconciler` carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedjobs_api import times
from fedjobs_api.names import QUEUE, JobRef
from fedjobs_api.statuses import ConfigMapRef, FederatedJobStatus, JobPhase, Resolved
from fedjobs_api.times import Time
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_operator.children import config_maps
from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.acceptance import Accepted
from fedjobs_operator.planning.conditions import Verdicts
from fedjobs_operator.planning.observations import Attempt, Observed
from fedjobs_operator.settings import Settings


@dataclass(frozen=True)
class Plan:
    """The actions for a job, in this order. The status is written last, so an interrupted plan is planned again.

    Attributes:
        resolved: The resolved job. It is stored once, before any other action. None if there is nothing to store.
        apply: Manifests of the objects to apply. Immutable objects are included only until they exist.
        withdraw: Whether to delete what routes to the coordinator: Service, NetworkPolicy and the front door's route.
        suspend: Names of Jobs, and whether to suspend them.
        delete: Names of Jobs to delete.
        own_claim: Whether to make the job the owner of the coordinator's claim, so that both are deleted together.
        delete_job: Whether to delete the FederatedJob itself.
        follow: Whether to follow the coordinator's reports.
        exclude: The exclusions to send to the coordinator.
        status: The new status of the job.
        look_again: When to reconcile the job again even if nothing changes.
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


@dataclass(frozen=True)
class Case:
    """An accepted job that has not finished."""

    ref: JobRef
    generation: int
    accepted: Accepted
    observed: Observed
    before: FederatedJobStatus
    settings: Settings
    now: Time

    @property
    def last(self) -> Attempt | None:
        """The newest known attempt."""
        return self.observed.attempts[-1] if self.observed.attempts else None

    @property
    def queued(self) -> bool:
        """Whether a queue decides when the coordinator runs.

        If the coordinator's Job exists, its label counts, because the label of the FederatedJob can be edited.
        """
        return QUEUE in self.accepted.job.metadata.labels if self.last is None else self.last.queued

    @property
    def started(self) -> str:
        """The start time. It is now for a job without one: a new, suspended or queued job."""
        return self.before.start_time or times.written(self.now)

    @property
    def resolved(self) -> Resolved:
        """The reference to the resolved job, for the status."""
        known = self.before.resolved
        generation = self.generation if known is None else known.generation
        digest = config_maps.digest(self.accepted.resolved)
        return Resolved(
            config_map_ref=ConfigMapRef(name=self.ref.resolved),
            digest=digest,
            generation=generation,
            silos=list(self.accepted.resolved.silos),
        )

    def attempt(self, number: int) -> Attempt | None:
        return next((a for a in self.observed.attempts if a.number == number), None)

    def status(self, phase: JobPhase, verdicts: Verdicts, **changes: Any) -> FederatedJobStatus:
        """Returns the status with new verdicts. Other conditions stay unchanged."""
        found = conditions.carried_on(self.before, verdicts, self.generation, self.now)
        return self.before.model_copy(
            update={"phase": phase, "conditions": found, "observed_generation": self.generation} | changes
        )
