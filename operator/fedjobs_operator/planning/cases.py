"""One job at one time: what a decision about it is made of, and the verdicts that were reached on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fedjobs_operator import times
from fedjobs_operator.api.conditions import JobCondition
from fedjobs_operator.api.statuses import FederatedJobStatus, JobPhase, Resolved
from fedjobs_operator.children import configs
from fedjobs_operator.names import QUEUE, JobRef
from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.acceptance import Accepted
from fedjobs_operator.planning.conditions import Verdict
from fedjobs_operator.planning.observations import Attempt, Observed
from fedjobs_operator.settings import Settings
from fedjobs_operator.times import Time


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
    verdicts: dict[JobCondition, Verdict] = field(default_factory=dict)

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
        digest = configs.digest(self.accepted.resolved)
        return Resolved(config_map=self.ref.resolved, digest=digest, generation=generation)

    def attempt(self, number: int) -> Attempt | None:
        return next((a for a in self.observed.attempts if a.number == number), None)

    def status(self, phase: JobPhase, **changes: Any) -> FederatedJobStatus:
        """The status with all verdicts so far."""
        found = conditions.carried_on(self.before, self.verdicts, self.generation, self.now)
        return self.before.model_copy(
            update={"phase": phase, "conditions": found, "observed_generation": self.generation} | changes
        )
