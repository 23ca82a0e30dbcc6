"""A `FederatedJob`, as people write it. Nothing is converted silently: `"3"` is not a number of silos."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fedjobs_protocol.programs.base import PositiveInt, PositiveNumber, refuse
from pydantic import Field, model_validator

from fedjobs_operator.api.base import ApiModel
from fedjobs_operator.api.cluster_specs import Coordinator, Output, Worker
from fedjobs_operator.api.metadata import Metadata
from fedjobs_operator.api.program_specs import Program, Text


class Silos(ApiModel):
    """Who is invited; exactly one of `names` and `matchLabels`."""

    names: Annotated[list[Text], Field(min_length=1)] | None = None
    match_labels: dict[str, str] | None = None
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
    """How many silos a round needs."""

    min_silos: PositiveInt | None = None
    """A round begins, and counts, with at least so many; by default all that are invited."""
    goal_silos: PositiveInt | None = None
    """So many are wished for; by default, and at most, all that are invited."""
    round_deadline_seconds: PositiveNumber = 600.0
    """How long a round waits for a silo that makes no progress."""

    @model_validator(mode="after")
    def _the_goal_is_no_less(self) -> Cohort:
        if self.min_silos is not None and self.goal_silos is not None and self.goal_silos < self.min_silos:
            refuse(f"goalSilos: {self.goal_silos} is less than minSilos: {self.min_silos}", "Raise goalSilos.")
        return self


class Spec(ApiModel):
    program: Program
    dataset: Text
    """The name under which each silo offers data of its own."""
    silos: Silos
    cohort: Cohort = Field(default_factory=Cohort)
    worker: Worker = Field(default_factory=Worker)
    coordinator: Coordinator = Field(default_factory=Coordinator)
    output: Output = Field(default_factory=Output)
    requested_by: Text | None = None
    """Who asks; silos may require it."""
    suspend: bool = False
    """Stops the coordinator until it is false again; checkpoints stay."""
    backoff_limit: Annotated[int, Field(ge=0, le=1000)] = 3
    """How many times a coordinator that crashed is started again."""
    active_deadline_seconds: PositiveInt | None = None
    """The job fails when it has not ended by then."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] | None = None
    """The job is deleted so long after its result was exported."""


class FederatedJob(ApiModel):
    api_version: Literal["fedjobs.dev/v1alpha1"]
    kind: Literal["FederatedJob"]
    metadata: Metadata
    spec: Spec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None
    """Written by the operator only."""
