"""The policy section of a silo file. `policies` evaluates it."""

from __future__ import annotations

from typing import Annotated, Literal

from fedjobs_common.models import Model
from pydantic import Field

ShardDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Operations(Model):
    """Changes to the default list of TensorFlow operations (`fedjobs_verifier.allowed`)."""

    allow: list[str] = Field(default_factory=list)
    """Operations to allow in addition to the default list. The silo checks the attributes of these less closely."""
    deny: list[str] = Field(default_factory=list)
    """Operations of the default list to deny."""


class ListedComputation(Model):
    """A computation that may run without approval."""

    digest: ShardDigest
    datasets: list[str] | None = None
    """The datasets that it may read. If absent, it may read each dataset that the rest of the policy allows."""


class Computations(Model):
    """The computations that may run. Their operations are always checked, even after an approval."""

    digests: list[ShardDigest | ListedComputation] | None = None
    """The computations that may run without approval: digests, or mappings of a digest and the datasets that it may
    read. With `approval: Automatic`, others are refused unless they were approved. If absent, every computation may
    run, unless `approval` is `Manual`."""
    operations: Operations = Field(default_factory=Operations)
    approval: Literal["Automatic", "Manual"] = "Automatic"
    """With `Manual`, a computation that is not in `digests` waits until the silo's administrator approves it."""
    approval_deadline_seconds: int = Field(default=7 * 24 * 3600, ge=1)
    """How long a computation waits for approval before it is refused."""


class Limits(Model):
    """Limits for each job or each day (UTC). An absent limit does not apply. The counts survive restarts."""

    rounds_per_job: int | None = Field(default=None, ge=1)
    """How many rounds a job may have over a dataset. The silo declines a job that announces more. It counts each work
    item that runs over the dataset, whatever it computes, and allows `runsPerRound` of them for each round."""
    runs_per_round: int = Field(default=2, ge=1)
    """How many work items a round may run over one dataset. The default is enough for a training and an evaluation."""
    upload_bytes_per_job: int | None = Field(default=None, ge=0)
    """The maximum bytes of accumulators and failures that the silo sends for one job."""
    upload_bytes_per_day: int | None = Field(default=None, ge=0)
    """The maximum bytes of accumulators and failures that the silo sends in a day, over all jobs."""
    jobs_per_day: int | None = Field(default=None, ge=0)
    """The maximum number of jobs that the silo starts to take part in in a day."""
    jobs_at_once: int = Field(default=32, ge=1)
    """The maximum number of jobs for which the silo's agent runs workers at the same time. Others wait."""
    run_seconds: int = Field(default=3600, ge=1)
    """How long one work item may run. The silo then ends its runner, and sends a failure of the class
    DeadlineExceeded."""


class Policy(Model):
    """The silo's policy. An absent rule does not restrict anything. Operations are always checked."""

    requesters: list[str] | None = None
    """The users whose jobs are allowed, by the job's `requestedBy`."""
    namespaces: list[str] | None = None
    """The namespaces of the federation's cluster whose jobs are allowed."""
    datasets: list[str] | None = None
    """The silo's datasets that jobs may use."""
    share_dataset_names: bool = True
    """Whether the federation may see the names of these datasets. If `false`, refusals do not list them either."""
    share_dataset_schemas: bool = False
    """Whether the federation may also see the names, dtypes and shapes of their features. If `true`, the error of a
    dataset that cannot be used also names file, row and column."""
    computations: Computations = Field(default_factory=Computations)
    limits: Limits = Field(default_factory=Limits)
    min_clients: int = Field(default=1, ge=1)
    """The minimum number of local clients in an accumulator that the silo sends."""
    min_cohort_size: int = Field(default=1, ge=1)
    """The minimum number of silos in a round. With more than 1, an honest coordinator also shows no result over this
    silo alone. The silo cannot check it."""
    require_differential_privacy: bool = False
    """Only allow jobs whose coordinator states that it adds noise to aggregates. The silo cannot check it."""
    require_secure_aggregation: bool = False
    """Only allow jobs whose coordinator states that it only sees sums. The silo cannot check it."""
