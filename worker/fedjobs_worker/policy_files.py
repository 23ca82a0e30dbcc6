"""The part of a silo's file that says what the silo allows. What follows from it is decided in `policies`."""

from __future__ import annotations

from typing import Annotated, Literal

from fedjobs_common.models import Model
from pydantic import Field

ShardDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Operations(Model):
    """Changes to the default list of TensorFlow operations (`fedjobs_worker.consent.operations`)."""

    allow: list[str] = Field(default_factory=list)
    """Allowed here though they are not in the default list."""
    refuse: list[str] = Field(default_factory=list)
    """Refused here though they are in the default list."""


class Computations(Model):
    """Which computations may run. Their operations are always checked, also of those that somebody approved."""

    digests: list[ShardDigest] | None = None
    """Those of these digests alone (with `approval: manual` others wait for a person); absent: of any digest."""
    operations: Operations = Field(default_factory=Operations)
    approval: Literal["none", "manual"] = "none"
    """`manual`: a computation that is not in `digests` waits until a person of the silo has approved its digest."""
    approval_deadline_seconds: int = Field(default=7 * 24 * 3600, ge=1)
    """How long a computation waits for a person before it is refused."""


class Limits(Model):
    """What a job, or a day (UTC), may take at most; absent: no limit. Counted here, also over restarts."""

    rounds: int | None = Field(default=None, ge=1)
    """How often a job may run one computation over the silo's data; a job that says it has more rounds is declined."""
    bytes_up_per_job: int | None = Field(default=None, ge=0)
    """Bytes of accumulators that leave the silo for one job."""
    bytes_up_per_day: int | None = Field(default=None, ge=0)
    """Bytes of accumulators that leave the silo in a day, for all jobs together."""
    jobs_per_day: int | None = Field(default=None, ge=0)
    """Jobs that the silo begins to take part in in a day."""


class Policy(Model):
    """Absent means: no restriction by this rule; operations are always checked."""

    requesters: list[str] | None = None
    """Who may ask, as the job's `requestedBy` has it."""
    namespaces: list[str] | None = None
    """From which namespaces of the federation's cluster."""
    datasets: list[str] | None = None
    """Which of the silo's datasets may be asked for."""
    tell_datasets: bool = True
    """Whether the federation may know the names of these datasets; `false`: also a refusal does not list them."""
    tell_schemas: bool = False
    """Whether it may also know the names, dtypes and shapes of their features."""
    computations: Computations = Field(default_factory=Computations)
    limits: Limits = Field(default_factory=Limits)
    min_clients: int = Field(default=1, ge=1)
    """The fewest local clients in an accumulator that leaves the silo."""
    min_cohort: int = Field(default=1, ge=1)
    """The fewest silos in a round, as the coordinator says it; this silo cannot check it."""
    require_differential_privacy: bool = False
    """Only jobs that say that their coordinator adds noise to what it aggregates; this silo cannot check it."""
    require_secure_aggregation: bool = False
    """Only jobs that say that their coordinator sees sums alone; this silo cannot check it."""
