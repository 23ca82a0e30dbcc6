"""The models of a FederatedJob's `status`. Metrics are strings, because Kubernetes APIs should not use floats."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Annotated, Any

from fedjobs_common.jobs.statuses import SiloState
from pydantic import Field, ValidationError

from fedjobs_api.conditions import Condition
from fedjobs_api.fields import StatusModel
from fedjobs_api.markers import DATE_TIME, FREE_FORM, SET, list_map

Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(json_schema_extra=DATE_TIME)]
"""RFC 3339: `2026-01-31T12:00:00Z`."""


class JobPhase(enum.StrEnum):
    """A summary of the job's state for people. Programs should use the conditions."""

    PENDING = "Pending"
    STARTING = "Starting"
    WAITING_FOR_SILOS = "WaitingForSilos"
    RUNNING = "Running"
    EXPORTING = "Exporting"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


class SiloRow(StatusModel):
    """The state of one invited silo, as the coordinator sees it."""

    name: str
    """Name of the silo."""
    state: SiloState
    """The state of the silo in this job."""
    reason: str | None = None
    """The policy rule or the error code of the silo's last refusal or failure."""
    message: str | None = None
    """The message of the last refusal or failure."""
    device: str | None = None
    """The device of the silo's runner, such as `cpu` or `gpu:0`."""
    clients: Count | None = None
    """The number of local clients in the silo's last report."""
    restarts: Count | None = None
    """The number of the silo's sessions after the first one."""


class ConfigMapRef(StatusModel):
    """A ConfigMap in the job's namespace."""

    name: str
    """Name of the ConfigMap."""


class Resolved(StatusModel):
    """The resolved job: the spec at the time when the job was accepted, with all defaults and silo names filled in."""

    config_map_ref: ConfigMapRef
    """The immutable ConfigMap that holds the resolved job."""
    digest: str
    """BLAKE3 of the resolved job, in hex."""
    generation: Count
    """The generation of the spec that was resolved."""
    silos: Annotated[list[str], Field(json_schema_extra=SET)] | None = None
    """Names of the silos that the job invites. The hub invites these and no others."""


class CoordinatorAddress(StatusModel):
    """The coordinator of the current attempt."""

    address: str | None = None
    """The host and port that silos connect to."""
    server_name: str | None = None
    """The name in the coordinator's certificate."""
    job_name: str | None = None
    """Name of the attempt's batch/v1 Job."""
    job_uid: str | None = None
    """UID of the attempt's batch/v1 Job. Operator and hub accept no other Job as the coordinator."""
    pod_name: str | None = None
    """Name of the attempt's pod."""


class Result(StatusModel):
    """The exported result. It is set when the storage has confirmed it."""

    uri: str
    """The location of the result."""
    digest: str | None = None
    """BLAKE3 of the result's list of files, in hex. Equal results have equal digests. Absent if the coordinator's pod
    was deleted before its final word was read."""


class FederatedJobStatus(StatusModel):
    """The observed state of the job. Only the operator writes it."""

    observed_generation: Count | None = None
    """The generation of the spec that this status reflects."""
    phase: JobPhase | None = None
    """A summary of the job's state for people. Programs should use the conditions."""
    completed_rounds: Count | None = None
    """The number of completed rounds."""
    total_rounds: Count | None = None
    """The number of rounds that the program runs. Absent if the program does not report it."""
    metrics: dict[str, str] | None = None
    """The metrics of the last completed round, as decimal strings, such as `train/accuracy: "0.912"`."""
    ready_silos: Count | None = None
    """The number of silos that are ready or working."""
    total_silos: Count | None = None
    """The number of invited silos."""
    silos: Annotated[list[SiloRow], Field(json_schema_extra=list_map("name"))] | None = None
    """The state of each invited silo."""
    attempt: Count | None = None
    """The number of the coordinator's current attempt, starting at 1. Each crash starts a new attempt. A resumed job
    continues its attempt."""
    restarts: Count | None = None
    """The number of restarts after a crash. `spec.backoffLimit` limits it."""
    coordinator_generation: Count | None = None
    """The number of starts of the coordinator's process. Silos use it to detect a stale coordinator."""
    computation_digest: str | None = None
    """The digest of the shards that the silos run, in hex. Silo policies approve this digest."""
    resolved: Resolved | None = None
    coordinator: CoordinatorAddress | None = None
    invitation: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] | None = None
    """The invitation that the hub sends to the invited silos. It is set while the silos take part."""
    result: Result | None = None
    start_time: Time | None = None
    """When the job started. A suspended or queued job has no start time."""
    completion_time: Time | None = None
    """When the job became Complete or Failed."""
    conditions: Annotated[list[Condition], Field(json_schema_extra=list_map("type"))] | None = None
    """The conditions Accepted, CoordinatorReady, QuorumReached, Suspended, SpecChanged, NodeLost, Complete and
    Failed."""

    @staticmethod
    def read(written: Mapping[str, Any]) -> FederatedJobStatus:
        """Parses a stored status. Leaves out values that this release does not know, which a newer one has written."""
        try:
            return FederatedJobStatus.model_validate(written)
        except ValidationError as error:
            field, *rest = error.errors()[0]["loc"]
            kept = {name: value for name, value in written.items() if name != field}
            if isinstance(written[str(field)], list) and rest:  # one condition or one row
                kept[str(field)] = [item for place, item in enumerate(written[str(field)]) if place != rest[0]]
            return FederatedJobStatus.read(kept)
