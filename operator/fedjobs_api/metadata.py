"""The part of Kubernetes' object metadata that a person writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from fedjobs_api.fields import ApiModel

# A manifest that was read back from a cluster is valid: the fields that the API server added are dropped.
_SERVER_SET = {
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
}


LONGEST_NAME = 40
"""The names of a job's children start with the job's name, and some of them are limited to 63 characters."""


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that a person writes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=LONGEST_NAME)]
    """The name of the job, as a DNS label."""
    namespace: str | None = None
    """The namespace on a cluster. It has no effect on one machine."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the job. `kueue.x-k8s.io/queue-name` is copied to the coordinator's Job."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations. fedjobs does not read them."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_the_server_set(cls, value: object) -> object:
        if isinstance(value, dict):
            return {name: entry for name, entry in value.items() if name not in _SERVER_SET}
        return value
