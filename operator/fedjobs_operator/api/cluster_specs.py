"""The parts of a job that speak of a cluster: pods, storage, where the result goes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fedjobs_protocol.programs.base import PositiveInt, refuse
from pydantic import Field, model_validator

from fedjobs_operator.api.base import ApiModel

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")]
"""As Kubernetes writes amounts: `10Gi`."""
OutputFormat = Literal["savedmodel", "keras"]


def _both() -> list[OutputFormat]:
    return ["savedmodel", "keras"]


class WorkerGpu(ApiModel):
    mode: Literal["Never", "Prefer", "Require"] = "Never"
    """What it means is the silo's to say."""
    count: PositiveInt = 1


class Worker(ApiModel):
    gpu: WorkerGpu = Field(default_factory=WorkerGpu)
    """Whether the silos' runners shall have GPUs."""


class Storage(ApiModel):
    size: Quantity = "10Gi"
    """For checkpoints, and for the accumulators of a round."""
    storage_class_name: str | None = None


class Coordinator(ApiModel):
    """The coordinator's pod."""

    resources: dict[str, Any] = Field(default_factory=dict)
    """As in a container: `requests` and `limits`."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    storage: Storage = Field(default_factory=Storage)


class Claim(ApiModel):
    claim_name: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(min_length=1)] | None = None
    """Folder in the volume; by default its root."""


class Output(ApiModel):
    """Where the result goes; on one machine into the folder of the run, always."""

    uri: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://.+")] | None = None
    """Any URL that fsspec can write to."""
    persistent_volume_claim: Claim | None = None
    format: Annotated[list[OutputFormat], Field(min_length=1)] = Field(default_factory=_both)
    """Besides the weights, which are always written."""

    @model_validator(mode="after")
    def _at_most_one(self) -> Output:
        if self.uri is not None and self.persistent_volume_claim is not None:
            refuse("both uri and persistentVolumeClaim are given", "Keep one of them.")
        return self
