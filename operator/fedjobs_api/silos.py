"""The models of the cluster-scoped `Silo` object: one participant of the federation."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from fedjobs_api.conditions import Condition
from fedjobs_api.fields import ApiModel, StatusModel
from fedjobs_api.markers import ATOMIC_LIST, DATE_TIME, SET, list_map, rule, rules

_SILO_NAME = rules(
    rule(
        "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
        "the name of a silo is used as a label value: use at most 63 characters and no dots",
        field=".metadata.name",
    )
)
Time = Annotated[str, Field(json_schema_extra=DATE_TIME)]


class SiloSpec(ApiModel):
    """The federation's settings for the silo. The silo's own policy decides what the silo allows."""

    suspend: bool = False
    """Removes the silo from running jobs within seconds. The silo is not invited to jobs while it is true."""
    description: Annotated[str, Field(max_length=1024)] | None = None
    """A text for people, such as the owner of the silo and whom to contact."""


class Capacity(StatusModel):
    """The resources that the silo offers to one worker."""

    cpus: Annotated[int, Field(ge=0)] | None = None
    """The number of CPU cores."""
    gpus: Annotated[int, Field(ge=0)] | None = None
    """The number of GPUs."""


class DatasetSchema(StatusModel):
    """The schema of the examples of one dataset."""

    name: str
    """Name of the dataset."""
    features: Annotated[list[str], Field(json_schema_extra=ATOMIC_LIST)]
    """The features, each as `name: dtype[shape]`."""


class Enrolment(StatusModel):
    """The state of the silo's enrolment. It contains no secret."""

    token_hash: str | None = None
    """SHA-256 of the secret in the invitation token, in hex."""
    token_expiration_time: Time | None = None
    """When the token expires."""
    last_handled_invite_again: str | None = None
    """The value of the annotation `fedjobs.dev/invite-again` for which this token was issued."""
    key_fingerprint: str | None = None
    """SHA-256 of the silo's public key, in hex. The first key that uses the token becomes the silo's key."""


class SiloStatus(StatusModel):
    """The observed state of the silo, and its enrolment. Only the hub writes it."""

    conditions: Annotated[list[Condition], Field(json_schema_extra=list_map("type"))] | None = None
    """The conditions Enrolled and Connected."""
    last_heartbeat_time: Time | None = None
    """When the silo's agent last called the hub."""
    versions: dict[str, str] | None = None
    """The versions of `fedjobs`, `protocol` and `tensorflow` in the silo."""
    datasets: Annotated[list[str], Field(json_schema_extra=SET)] | None = None
    """Names of the datasets that the silo offers. Absent if the silo's policy does not disclose them."""
    schemas: Annotated[list[DatasetSchema], Field(json_schema_extra=list_map("name"))] | None = None
    """The schemas that the silo's policy discloses."""
    capacity: Capacity | None = None
    certificate_expiration_time: Time | None = None
    """When the silo's certificate expires. The agent renews it before."""
    audit_anchor: Annotated[str, Field(pattern=r"^[0-9a-f]{64}:[0-9]{1,15}$", max_length=80)] | None = None
    """The state of the silo's audit log when it had the most entries: the hash of its last line, and the number of
    lines. The silo checks its log against it with `fedjobs silo audit --verify --anchor`."""
    enrolment: Enrolment | None = None


class Silo(ApiModel):
    """One participant of the federation.

    A job invites the silo by its name (`spec.silos.names`) or by the labels of this object (`spec.silos.selector`).
    """

    model_config = ConfigDict(json_schema_extra=_SILO_NAME)

    spec: SiloSpec = Field(default_factory=SiloSpec)
    status: SiloStatus | None = None
