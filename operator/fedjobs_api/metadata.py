"""The part of Kubernetes' object metadata that a person writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from fedjobs_api.fields import ApiModel

# An object that was read back from a cluster runs as it is: what the API server added is dropped.
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
"""A job's name is the beginning of its children's names, some of which can have 63 characters at most."""


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that a person writes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=LONGEST_NAME)]
    """The job's name, as a DNS label."""
    namespace: str | None = None
    """Of the cluster; no effect on one machine."""
    labels: dict[str, str] = Field(default_factory=dict)
    """For selecting jobs; `kueue.x-k8s.io/queue-name` is passed on to the coordinator's Job."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations. fedjobs does not read them."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_the_server_set(cls, value: object) -> object:
        if isinstance(value, dict):
            return {name: entry for name, entry in value.items() if name not in _SERVER_SET}
        return value
