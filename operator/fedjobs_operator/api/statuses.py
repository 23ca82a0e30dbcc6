"""`status` of a FederatedJob, as its operator writes it. There are no floats: numbers that people measure are texts."""

from __future__ import annotations

import enum
from typing import Annotated, Any

from fedjobs_common.jobs.statuses import SiloState
from pydantic import Field

from fedjobs_operator.api.base import StatusModel
from fedjobs_operator.api.conditions import Condition
from fedjobs_operator.api.markers import DATE_TIME, FREE_FORM, list_map

Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(json_schema_extra=DATE_TIME)]
"""RFC 3339: `2026-01-31T12:00:00Z`."""


class JobPhase(enum.StrEnum):
    """One word for people; programs look at the conditions."""

    PENDING = "Pending"
    STARTING = "Starting"
    WAITING_FOR_SILOS = "WaitingForSilos"
    RUNNING = "Running"
    EXPORTING = "Exporting"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


class SiloRow(StatusModel):
    """One invited silo, as the coordinator sees it."""

    name: str
    """The silo's name."""
    state: SiloState
    """How far it is."""
    reason: str | None = None
    """Rule or error code of its last refusal or failure."""
    message: str | None = None
    """The last refusal or failure in words."""
    device: str | None = None
    """What its runner computes on, such as `cpu` or `gpu:0`."""
    clients: Count | None = None
    """Local clients in its last report."""
    restarts: Count | None = None
    """Sessions after the first."""


class Resolved(StatusModel):
    """What the job was resolved to when it began: all defaults and all silos' names filled in."""

    config_map: str
    """The immutable ConfigMap that holds it."""
    digest: str
    """BLAKE3 of the resolved job, in hex."""
    generation: Count
    """The generation of the spec that was resolved."""


class CoordinatorAddress(StatusModel):
    """The coordinator of this attempt."""

    address: str | None = None
    """Host and port that the silos dial."""
    server_name: str | None = None
    """The name in its certificate."""
    job: str | None = None
    """The batch/v1 Job of this attempt."""
    pod: str | None = None
    """The pod of this attempt."""


class Result(StatusModel):
    """The exported result; it is there once its storage has confirmed it."""

    uri: str
    """Where it is."""
    digest: str | None = None
    """BLAKE3 of the result's list of files, in hex: same digest, same result. Absent where the coordinator's pod was
    gone before its last word was read."""


class FederatedJobStatus(StatusModel):
    """What became of the job. Only the operator writes it."""

    observed_generation: Count | None = None
    """The generation of the spec that this status speaks of."""
    phase: JobPhase | None = None
    """How far the job is, in one word for people; programs look at the conditions."""
    round: Count | None = None
    """Finished rounds."""
    rounds: Count | None = None
    """Rounds to do; absent where the program does not say."""
    metrics: dict[str, str] | None = None
    """Of the last finished round, as decimal numbers in texts: `train/accuracy: "0.912"`."""
    silos_ready: str | None = None
    """Silos that have joined and may work, of those that are invited: `3/4`."""
    silos: Annotated[list[SiloRow], Field(json_schema_extra=list_map("name"))] | None = None
    """Each invited silo with its state and the last reason."""
    attempt: Count | None = None
    """Which coordinator this is, from 1: one more after each crash; a suspended job goes on in the same one."""
    restarts: Count | None = None
    """Coordinators that crashed, counted against `spec.backoffLimit`."""
    epoch: Count | None = None
    """The coordinator's epoch: counted up on its volume at each start, so that silos know the newest."""
    computation: str | None = None
    """Digest of the shards that the silos run, in hex: what a silo's policy approves."""
    resolved: Resolved | None = None
    coordinator: CoordinatorAddress | None = None
    invitation: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] | None = None
    """What the hub tells the invited silos; it is there as long as they shall take part."""
    result: Result | None = None
    start_time: Time | None = None
    """When the job was accepted and began."""
    completion_time: Time | None = None
    """When it became Complete or Failed."""
    conditions: Annotated[list[Condition], Field(json_schema_extra=list_map("type"))] | None = None
    """Accepted, CoordinatorReady, QuorumReached, Suspended, SpecChanged, NodeLost, Complete and Failed."""
