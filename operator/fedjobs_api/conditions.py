"""Conditions as all Kubernetes objects have them, and the types that a FederatedJob and a Silo use."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field

from fedjobs_api.fields import StatusModel
from fedjobs_api.markers import DATE_TIME


class JobCondition(enum.StrEnum):
    """The types of a FederatedJob's conditions."""

    ACCEPTED = "Accepted"
    """The spec was resolved; False names the field and the remedy."""
    COORDINATOR_READY = "CoordinatorReady"
    """The coordinator's pod answers."""
    QUORUM_REACHED = "QuorumReached"
    """At least `minSilos` have joined; False names those that are missing."""
    SUSPENDED = "Suspended"
    SPEC_CHANGED = "SpecChanged"
    """The spec was edited where a run cannot change; it goes on with what it began with."""
    NODE_LOST = "NodeLost"
    """The coordinator's node does not answer, so that it cannot be known whether its pod still runs."""
    COMPLETE = "Complete"
    """The result was exported and confirmed."""
    FAILED = "Failed"


class SiloCondition(enum.StrEnum):
    """The types of a Silo's conditions."""

    ENROLLED = "Enrolled"
    """It holds a certificate of this federation."""
    CONNECTED = "Connected"
    """Its agent has been heard of lately."""


class Condition(StatusModel):
    """One condition, as `metav1.Condition`."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What it is about; there is one condition of each type."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the object that it was judged by."""
    last_transition_time: Annotated[str, Field(json_schema_extra=DATE_TIME)]
    """When `status` became what it is."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, for people, and what to do about it."""


class Reason(enum.StrEnum):
    """One word for programs; each is used in one place."""

    # Accepted
    RESOLVED = "Resolved"
    INVALID_SPEC = "InvalidSpec"
    SILOS_NOT_FOUND = "SilosNotFound"
    DATASET_NOT_OFFERED = "DatasetNotOffered"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    # CoordinatorReady
    LISTENING = "Listening"
    POD_STARTING = "PodStarting"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
    CREATE_CONTAINER_ERROR = "CreateContainerError"
    CLAIM_NOT_BOUND = "ClaimNotBound"
    HUB_UNAVAILABLE = "HubUnavailable"
    STORAGE_FAILED = "StorageFailed"
    START_FAILED = "StartFailed"
    COORDINATOR_UNREACHABLE = "CoordinatorUnreachable"
    OBJECT_REJECTED = "ObjectRejected"
    FAILED_CREATE = "FailedCreate"
    CRASHED = "Crashed"
    OUT_OF_MEMORY = "OOMKilled"
    JOB_FINISHED = "JobFinished"
    # QuorumReached
    QUORUM_REACHED = "QuorumReached"
    WAITING_FOR_SILOS = "WaitingForSilos"
    QUORUM_NOT_REACHED = "QuorumNotReached"
    # Suspended
    SUSPENDED_BY_SPEC = "SuspendedBySpec"
    SUSPENDED_BY_QUEUE = "SuspendedByQueue"
    RESUMED = "Resumed"
    # SpecChanged
    CHANGES_IGNORED = "ChangesIgnored"
    # NodeLost
    NODE_UNREACHABLE = "NodeUnreachable"
    # Complete
    RESULT_EXPORTED = "ResultExported"
    # Failed; a failure of the program has the code of the error catalogue instead
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
