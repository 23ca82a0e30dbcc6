"""Reasons of conditions and events. They are API: programs and alerts depend on them."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """One word for programs; each is used in one place."""

    # Accepted
    RESOLVED = "Resolved"
    INVALID_SPEC = "InvalidSpec"
    SILOS_MISSING = "SilosMissing"
    DATASET_NOT_OFFERED = "DatasetNotOffered"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    # CoordinatorReady
    LISTENING = "Listening"
    POD_STARTING = "PodStarting"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_CANNOT_BE_PULLED = "ImageCannotBePulled"
    CONTAINER_CANNOT_START = "ContainerCannotStart"
    STORAGE_NOT_BOUND = "StorageNotBound"
    HUB_IS_AWAY = "HubIsAway"
    STORAGE_FAILED = "StorageFailed"
    CANNOT_START = "CannotStart"
    NOT_HEARD = "NotHeard"
    OBJECT_REFUSED = "ObjectRefused"
    POD_REFUSED = "PodRefused"
    CRASHED = "Crashed"
    OUT_OF_MEMORY = "OOMKilled"
    ENDED = "Ended"
    # QuorumReached
    ENOUGH_SILOS = "EnoughSilos"
    WAITING_FOR_SILOS = "WaitingForSilos"
    QUORUM_NOT_REACHED = "QuorumNotReached"
    # Suspended
    SUSPENDED_BY_SPEC = "SuspendedBySpec"
    SUSPENDED_BY_QUEUE = "SuspendedByQueue"
    RESUMED = "Resumed"
    # SpecChanged
    RUN_GOES_ON = "RunGoesOn"
    # NodeLost
    NODE_DOES_NOT_ANSWER = "NodeDoesNotAnswer"
    # Complete
    RESULT_EXPORTED = "ResultExported"
    # Failed; a failure of the program has the code of the error catalogue instead
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
