"""A `FederatedJob`, as people write it. Nothing is converted silently: `"3"` is not a number of silos."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fedjobs_common.programs.base import PositiveInt, PositiveNumber, refuse
from pydantic import ConfigDict, Field, model_validator

from fedjobs_operator.api.base import ApiModel
from fedjobs_operator.api.cluster_specs import Coordinator, Output, Worker
from fedjobs_operator.api.immutability import unchangeable
from fedjobs_operator.api.markers import SET, rule, rules
from fedjobs_operator.api.metadata import LONGEST_NAME, Metadata
from fedjobs_operator.api.names import DnsLabel, Labels, Text
from fedjobs_operator.api.program_specs import Program

_INT32 = 2**31 - 1


class Silos(ApiModel):
    """Who is invited; exactly one of `names` and `matchLabels`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.names) != has(self.matchLabels)",
                "exactly one of names and matchLabels is needed: write names: [...], for example",
            )
        )
    )

    names: Annotated[list[DnsLabel], Field(min_length=1, max_length=1000, json_schema_extra=SET)] | None = None
    """The silos' names."""
    match_labels: Labels | None = None
    """Labels of the cluster's Silo objects; on one machine every silo of the silos' file is meant."""

    @model_validator(mode="after")
    def _valid(self) -> Silos:
        if (self.names is None) == (self.match_labels is None):
            refuse("exactly one of names and matchLabels is needed", "Write names: [...], for example.")
        for name in self.names or ():
            if (self.names or []).count(name) > 1:
                refuse(f"the name {name!r} is there more than once", "Name each silo once.")
        return self


class Cohort(ApiModel):
    """How many silos a round needs.

    A round begins as soon as `goalSilos` are ready, or with `minSilos` once its deadline is over. A silo that is lost,
    or whose policy refuses, is left out; the round counts as long as `minSilos` have answered.
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
    """A round begins, and counts, with at least so many; by default all that are invited."""
    goal_silos: PositiveInt | None = None
    """A round waits, within its deadline, for so many; by default, and at most, for all that are invited."""
    round_deadline_seconds: PositiveNumber = 600.0
    """How long a round waits for a silo that makes no progress."""

    @model_validator(mode="after")
    def _the_goal_is_no_less(self) -> Cohort:
        if self.min_silos is not None and self.goal_silos is not None and self.goal_silos < self.min_silos:
            refuse(f"goalSilos: {self.goal_silos} is less than minSilos: {self.min_silos}", "Raise goalSilos.")
        return self


class Spec(ApiModel):
    """What is computed, with whose data, and where its result goes."""

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
    """The name under which each silo offers data of its own."""
    silos: Silos
    cohort: Cohort = Field(default_factory=Cohort)
    worker: Worker = Field(default_factory=Worker)
    coordinator: Coordinator = Field(default_factory=Coordinator)
    output: Output = Field(default_factory=Output)
    requested_by: Annotated[Text, Field(max_length=1024)] | None = None
    """Who asks; silos may require it. On a cluster it is the name of the user who creates the job, or left out."""
    suspend: bool = False
    """Stops the coordinator until it is false again; checkpoints stay."""
    backoff_limit: Annotated[int, Field(ge=0, le=1000)] = 3
    """How many times a coordinator that crashed is started again."""
    active_deadline_seconds: PositiveInt | None = None
    """The job fails when it has not ended so long after its start."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=_INT32)] | None = None
    """The job is deleted so long after its result was exported."""


class FederatedJob(ApiModel):
    """A federated training, evaluation or analysis, driven to completion.

    A coordinator runs the program and the silos' workers, which dial out to it, run its shards beside their own data.
    Where the label `kueue.x-k8s.io/queue-name` is set, it is passed on to the coordinator's Job. What cannot change
    once the job is there: all of `spec` but `suspend`, `backoffLimit`, `activeDeadlineSeconds`,
    `ttlSecondsAfterFinished`, and the coordinator's `resources`, `nodeSelector` and `tolerations`.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"self.metadata.name.size() <= {LONGEST_NAME} && !self.metadata.name.contains('.')",
                f"a job's name is part of other names: give it at most {LONGEST_NAME} characters, and no dot",
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
    """Written by the operator only."""
