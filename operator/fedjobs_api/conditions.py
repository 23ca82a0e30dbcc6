"""The model of a Kubernetes condition, and the condition types and reasons of FederatedJobs and Silos."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field

from fedjobs_api.fields import StatusModel
from fedjobs_api.markers import DATE_TIME


class JobCondition(enum.StrEnum):
    """The condition types of a FederatedJob."""

    ACCEPTED = "Accepted"
    """The spec was resolved. If False, the message names the field and the remedy."""
    COORDINATOR_READY = "CoordinatorReady"
    """The coordinator's pod is ready."""
    QUORUM_REACHED = "QuorumReached"
    """At least `minSilos` silos have joined. If False, the message names the missing silos."""
    SUSPENDED = "Suspended"
    SPEC_CHANGED = "SpecChanged"
    """The spec was edited after the job was accepted. The run continues with the spec that was accepted."""
    NODE_LOST = "NodeLost"
    """The coordinator's node does not respond. The operator cannot tell whether the pod still runs."""
    COMPLETE = "Complete"
    """The result was exported and confirmed."""
    FAILED = "Failed"


class SiloCondition(enum.StrEnum):
    """The condition types of a Silo."""

    ENROLLED = "Enrolled"
    """The silo holds a certificate of this federation."""
    CONNECTED = "Connected"
    """The silo's agent has called the hub recently."""


class Condition(StatusModel):
    """A condition, with the fields of `metav1.Condition`."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """The type of the condition. There is at most one condition of each type."""
    status: Literal["True", "False", "Unknown"]
    """The status of the condition: True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the object for which the condition was set."""
    last_transition_time: Annotated[str, Field(json_schema_extra=DATE_TIME)]
    """When `status` last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """The reason for the last transition, as one word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """A message for people: the reason, and what to do about it."""


class Reason(enum.StrEnum):
    """The reasons of FederatedJob conditions. Each is used in one place."""

    # Accepted
    RESOLVED = "Resolved"
    INVALID_SPEC = "InvalidSpec"
    SILOS_NOT_FOUND = "SilosNotFound"
    DATASET_NOT_OFFERED = "DatasetNotOffered"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    RESOLVED_JOB_LOST = "ResolvedJobLost"
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
    NAME_TAKEN = "NameTaken"
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
    # Failed. A failure of the program has an error code of the catalogue as its reason.
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
