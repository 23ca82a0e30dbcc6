"""The models of a `FederatedJob` manifest. Values are not converted: `"3"` is not a number of silos."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fedjobs_common.programs.base import PositiveInt, refuse
from pydantic import ConfigDict, Field, model_validator

from fedjobs_api.cluster_specs import Coordinator, Output, Worker
from fedjobs_api.fields import ApiModel, DnsLabel, Labels, Text
from fedjobs_api.markers import SET, rule, rules, unchangeable
from fedjobs_api.metadata import LONGEST_NAME, Metadata
from fedjobs_api.program_specs import Program

_INT32 = 2**31 - 1


class SiloSelector(ApiModel):
    """Selects Silo objects of the cluster by their labels, like a Kubernetes label selector."""

    match_labels: Labels = Field(default_factory=dict)
    """Labels that a Silo must have. A Silo must have all of them. If empty, every Silo is selected."""


class Silos(ApiModel):
    """The silos that the job invites. Set exactly one of `names` and `selector`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.names) != has(self.selector)",
                "exactly one of names and selector is required: set names: [...], for example",
            )
        )
    )

    names: Annotated[list[DnsLabel], Field(min_length=1, max_length=1000, json_schema_extra=SET)] | None = None
    """Names of the silos."""
    selector: SiloSelector | None = None
    """Selects Silo objects of the cluster. On one machine, every silo of the silos file is selected."""

    @model_validator(mode="after")
    def _valid(self) -> Silos:
        if (self.names is None) == (self.selector is None):
            refuse("exactly one of names and selector is required", "Set names: [...], for example.")
        for name in self.names or ():
            if (self.names or []).count(name) > 1:
                refuse(f"the name {name!r} occurs more than once", "List each silo once.")
        return self


class Cohort(ApiModel):
    """How many silos take part in a round.

    A round starts as soon as `goalSilos` silos are ready. When the deadline has passed, it starts with `minSilos`. The
    round leaves out a silo that is lost or whose policy refuses the work. It succeeds if at least `minSilos` silos
    report.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.minSilos) || !has(self.goalSilos) || self.minSilos <= self.goalSilos",
                "goalSilos is less than minSilos: raise goalSilos, or lower minSilos",
                field=".goalSilos",
            )
        )
    )

    min_silos: PositiveInt | None = None
    """The minimum number of silos that a round needs to start, and that must contribute at least one client. Defaults
    to all invited silos."""
    goal_silos: PositiveInt | None = None
    """The number of silos that a round waits for until its deadline. If more are ready, it samples. Defaults to all
    invited silos. A larger number means all invited silos."""
    round_deadline_seconds: PositiveInt = 600
    """The number of seconds that a round waits for more silos than `minSilos`, and for a silo whose work makes no
    progress."""

    @model_validator(mode="after")
    def _the_goal_is_no_less(self) -> Cohort:
        if self.min_silos is not None and self.goal_silos is not None and self.goal_silos < self.min_silos:
            refuse(f"goalSilos: {self.goal_silos} is less than minSilos: {self.min_silos}", "Raise goalSilos.")
        return self


class Spec(ApiModel):
    """Specifies the program, the silos and their dataset, and where the result is stored."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                unchangeable(field)
                for field in ("dataset", "silos", "cohort", "worker", "output", "coordinator.storage")
            ),
            unchangeable("requestedBy", optional=True),
        )
    )

    program: Program
    dataset: Text
    """The name of the dataset. Each silo maps this name to its own data."""
    silos: Silos
    cohort: Cohort = Field(default_factory=Cohort)
    worker: Worker = Field(default_factory=Worker)
    coordinator: Coordinator = Field(default_factory=Coordinator)
    output: Output = Field(default_factory=Output)
    requested_by: Annotated[Text, Field(max_length=1024)] | None = None
    """The name of the user who requests the job. A silo's policy can require it. On a cluster, it must be the name of
    the user who creates the job, or be omitted."""
    suspend: bool = False
    """Stops the coordinator while it is true. Checkpoints are kept."""
    backoff_limit: Annotated[int, Field(ge=0, le=1000)] = 3
    """The number of times that the coordinator is restarted after a crash, before the job is marked as failed."""
    active_deadline_seconds: PositiveInt | None = None
    """The number of seconds after its start time at which the job fails if it has not finished."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=_INT32)] | None = None
    """The number of seconds after it has finished at which the job is deleted. By default it is never deleted."""


class FederatedJob(ApiModel):
    """A federated training, evaluation or analysis that runs to completion.

    A coordinator runs the program. The silos' workers connect to the coordinator and run its shards on their own data.
    The label `kueue.x-k8s.io/queue-name` is copied to the coordinator's Job. The spec cannot change after the job is
    created, except `suspend`, `backoffLimit`, `activeDeadlineSeconds`, `ttlSecondsAfterFinished`, and the coordinator's
    `resources`, `nodeSelector` and `tolerations`.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"self.metadata.name.size() <= {LONGEST_NAME} && !self.metadata.name.contains('.')",
                f"the name of a job is part of other names: use at most {LONGEST_NAME} characters and no dots",
                field=".metadata.name",
            )
        )
    )

    api_version: Literal["fedjobs.dev/v1alpha1"]
    """Always `fedjobs.dev/v1alpha1`."""
    kind: Literal["FederatedJob"]
    """Always `FederatedJob`."""
    metadata: Metadata
    spec: Spec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None
    """The observed state of the job. Only the operator writes it."""
