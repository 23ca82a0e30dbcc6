"""A `Silo`: one participant of the federation, as its cluster-scoped object."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from fedjobs_api.conditions import Condition
from fedjobs_api.fields import ApiModel, StatusModel
from fedjobs_api.markers import ATOMIC_LIST, DATE_TIME, SET, list_map, rule, rules

_SILO_NAME = rules(
    rule(
        "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
        "a silo's name is a label's value: give it at most 63 characters, and no dot",
        field=".metadata.name",
    )
)
Time = Annotated[str, Field(json_schema_extra=DATE_TIME)]


class SiloSpec(ApiModel):
    """What the federation says of the silo; what the silo allows is in its own policy."""

    suspend: bool = False
    """Drops the silo, within seconds, from what runs, and invites it to nothing more until it is false again."""
    description: Annotated[str, Field(max_length=1024)] | None = None
    """For people: whose it is, whom to ask."""


class Capacity(StatusModel):
    """What the silo offers to one worker."""

    cpus: Annotated[int, Field(ge=0)] | None = None
    """Cores."""
    gpus: Annotated[int, Field(ge=0)] | None = None
    """GPUs."""


class DatasetSchema(StatusModel):
    """What the examples of one dataset look like."""

    name: str
    """The dataset's name."""
    features: Annotated[list[str], Field(json_schema_extra=ATOMIC_LIST)]
    """For people: `name: dtype[shape]`."""


class Enrolment(StatusModel):
    """How far the silo is with its key. There is no secret in it."""

    token_hash: str | None = None
    """SHA-256 of the secret in its invitation's token, in hex."""
    token_expiration_time: Time | None = None
    """When the token ends."""
    last_handled_invite_again: str | None = None
    """The value of the annotation `fedjobs.dev/invite-again` that was answered with this token."""
    key_fingerprint: str | None = None
    """SHA-256 of the one public key that counts, in hex: the first that used the token."""


class SiloStatus(StatusModel):
    """What the silo's agent said of itself, and what it may. Only the hub writes it."""

    conditions: Annotated[list[Condition], Field(json_schema_extra=list_map("type"))] | None = None
    """Enrolled and Connected."""
    last_heartbeat_time: Time | None = None
    """When its agent was heard of last."""
    versions: dict[str, str] | None = None
    """Of the silo's parts: `fedjobs`, `protocol`, `tensorflow`."""
    datasets: Annotated[list[str], Field(json_schema_extra=SET)] | None = None
    """Names of the datasets that it offers; absent where its policy does not let them be told."""
    schemas: Annotated[list[DatasetSchema], Field(json_schema_extra=list_map("name"))] | None = None
    """Of those datasets whose schemas its policy lets be told."""
    capacity: Capacity | None = None
    certificate_expiration_time: Time | None = None
    """When its certificate ends; its agent renews it before."""
    enrolment: Enrolment | None = None


class Silo(ApiModel):
    """One participant of the federation.

    Jobs invite it by its name, or by the labels of this object (`spec.silos.selector`).
    """

    model_config = ConfigDict(json_schema_extra=_SILO_NAME)

    spec: SiloSpec = Field(default_factory=SiloSpec)
    status: SiloStatus | None = None
