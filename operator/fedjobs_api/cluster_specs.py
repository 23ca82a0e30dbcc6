"""The parts of a job that speak of a cluster: pods, storage, where the result goes."""

from __future__ import annotations

from typing import Annotated, Literal

from fedjobs_common.programs.base import PositiveInt, refuse
from pydantic import ConfigDict, Field, model_validator

from fedjobs_api.fields import ApiModel, Labels, ObjectName
from fedjobs_api.markers import ATOMIC_LIST, SET, rule, rules
from fedjobs_api.pod_parts import CheckedResources, CheckedToleration, Resources

_SIZE = r"^([1-9][0-9]*(\.[0-9]+)?|0\.[0-9]*[1-9][0-9]*)(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
Size = Annotated[str, Field(pattern=_SIZE, max_length=32)]
"""As Kubernetes writes amounts of storage: `10Gi`."""
OutputFormat = Literal["savedmodel", "keras"]
_OF_THE_POD = ("file", "local", "memory")  # fsspec's names of what is gone with the coordinator's pod


def _both() -> list[OutputFormat]:
    return ["savedmodel", "keras"]


class WorkerGpu(ApiModel):
    """Whether the silos' runners use GPUs. Each silo decides how it provides them."""

    mode: Literal["Never", "Prefer", "Require"] = "Never"
    """`Prefer` takes a CPU where no GPU is free; with `Require` a silo without one declines."""
    count: Annotated[PositiveInt, Field(le=64)] = 1
    """GPUs for each silo's runner."""


class Worker(ApiModel):
    """What the job asks of the silos' workers."""

    gpu: WorkerGpu = Field(default_factory=WorkerGpu)


class Storage(ApiModel):
    """The claim that holds the coordinator's state: checkpoints, accumulators, and the result until it is exported."""

    size: Size = "10Gi"
    """For checkpoints, and for the accumulators of a round: about (silos + 2) models."""
    storage_class_name: ObjectName | None = None
    """By default the cluster's default class."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod"] = "ReadWriteOnce"
    """ReadWriteOncePod where the storage has it: then never two coordinators, even when a node is lost."""
    when_deleted: Literal["Retain", "Delete"] | None = None
    """What becomes of the claim when the job is deleted. By default it is deleted once the result was exported to the
    place that `spec.output` names, and stays as long as it holds the only copy. With `Delete` a job that failed is not
    deleted by `ttlSecondsAfterFinished`."""


class Coordinator(ApiModel):
    """The coordinator's pod. What is edited here takes effect at the next attempt, except `storage`."""

    resources: CheckedResources = Field(default_factory=Resources)
    """As in a container: `requests` and `limits`."""
    node_selector: Labels = Field(default_factory=dict)
    """Labels that the pod's node must have."""
    tolerations: Annotated[list[CheckedToleration], Field(max_length=32, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """Taints that the pod's node may have."""
    storage: Storage = Field(default_factory=Storage)


class Claim(ApiModel):
    """A folder in a volume: a claim in the job's namespace that is there already."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim."""
    path: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", max_length=1024),
        ]
        | None
    ) = None
    """Folder in the volume, such as `models/digits`; by default its root."""


class SecretRef(ApiModel):
    """A Secret in the job's namespace."""

    name: ObjectName
    """Name of the Secret."""


class Output(ApiModel):
    """Where the result goes; on one machine into the folder of the run, always."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.uri) && has(self.persistentVolumeClaim))",
                "both uri and persistentVolumeClaim are given: keep one of them",
            ),
            rule(
                "!has(self.secretRef) || has(self.uri)",
                "secretRef has the credentials of a uri, and there is none: add uri, or leave secretRef out",
                field=".secretRef",
            ),
            rule(
                f"!has(self.uri) || !(self.uri.split(':')[0] in {list(_OF_THE_POD)})",
                "the result would be gone with the coordinator's pod: give a persistentVolumeClaim instead",
                field=".uri",
            ),
        )
    )

    uri: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://.+", max_length=2048)] | None = None
    """Any URL that fsspec can write to, such as `s3://models/digits`."""
    secret_ref: SecretRef | None = None
    """For `uri`: a Secret in the job's namespace whose key `options.json` has fsspec's options for this storage, such
    as `{"key": ..., "secret": ...}` for s3."""
    persistent_volume_claim: Claim | None = None
    formats: Annotated[list[OutputFormat], Field(min_length=1, max_length=8, json_schema_extra=SET)] = Field(
        default_factory=_both
    )
    """Besides the weights, which are always written."""

    @model_validator(mode="after")
    def _one_lasting_place(self) -> Output:
        if self.uri is not None and self.persistent_volume_claim is not None:
            refuse("both uri and persistentVolumeClaim are given", "Keep one of them.")
        if self.secret_ref is not None and self.uri is None:
            refuse("secretRef has the credentials of a uri, and there is none", "Add uri, or leave secretRef out.")
        if self.uri is not None and self.uri.partition(":")[0] in _OF_THE_POD:
            refuse(
                f"with uri: {self.uri} the result would be gone with the coordinator's pod",
                "Give a persistentVolumeClaim instead.",
            )
        if len(set(self.formats)) < len(self.formats):
            refuse("a format is there more than once", "Name each format once.")
        return self
