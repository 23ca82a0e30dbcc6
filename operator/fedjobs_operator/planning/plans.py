"""What is to be done about a job, as a value: `plans` decides it, `applying` and `reconciling` carry it out."""

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


@dataclass(frozen=True)
class Case:
    """An accepted job that is not over."""

    ref: JobRef
    generation: int
    accepted: Accepted
    observed: Observed
    before: FederatedJobStatus
    settings: Settings
    now: Time

    @property
    def last(self) -> Attempt | None:
        """The newest attempt that is known."""
        return self.observed.attempts[-1] if self.observed.attempts else None

    @property
    def queued(self) -> bool:
        """Whether a queue says when the coordinator may run.

        The label of the coordinator's Job counts where there is one: the job's own can be edited.
        """
        return QUEUE in self.accepted.job.metadata.labels if self.last is None else self.last.queued

    @property
    def started(self) -> str:
        """A job that is suspended, or waits in a queue, has no start."""
        return self.before.start_time or times.written(self.now)

    @property
    def resolved(self) -> Resolved:
        """What the job was resolved to, for its status."""
        known = self.before.resolved
        generation = self.generation if known is None else known.generation
        digest = config_maps.digest(self.accepted.resolved)
        return Resolved(config_map_ref=ConfigMapRef(name=self.ref.resolved), digest=digest, generation=generation)

    def attempt(self, number: int) -> Attempt | None:
        return next((a for a in self.observed.attempts if a.number == number), None)

    def status(self, phase: JobPhase, verdicts: Verdicts, **changes: Any) -> FederatedJobStatus:
        """The status with these verdicts; of other conditions what was said before."""
        found = conditions.carried_on(self.before, verdicts, self.generation, self.now)
        return self.before.model_copy(
            update={"phase": phase, "conditions": found, "observed_generation": self.generation} | changes
        )
