"""Conditions as all Kubernetes objects have them, and the types that a FederatedJob and a Silo use."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field

from fedjobs_operator.api.base import StatusModel
from fedjobs_operator.api.markers import DATE_TIME


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
