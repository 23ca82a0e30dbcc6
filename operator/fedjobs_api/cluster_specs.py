"""The models of a job's cluster settings: pods, storage, and where the result is stored."""

from __future__ import annotations

from typing import Annotated, Literal

from fedjobs_common.programs.base import PositiveInt, refuse
from pydantic import ConfigDict, Field, model_validator

from fedjobs_api.fields import ApiModel, Labels, ObjectName
from fedjobs_api.markers import ATOMIC_LIST, SET, rule, rules
from fedjobs_api.pod_parts import CheckedResources, CheckedToleration, Resources

_SIZE = r"^([1-9][0-9]*(\.[0-9]+)?|0\.[0-9]*[1-9][0-9]*)(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
Size = Annotated[str, Field(pattern=_SIZE, max_length=32)]
"""A Kubernetes quantity of storage, such as `10Gi`."""
OutputFormat = Literal["savedmodel", "keras"]
_OF_THE_POD = ("file", "local", "memory")  # fsspec protocols whose files are lost with the coordinator's pod


def _both() -> list[OutputFormat]:
    return ["savedmodel", "keras"]


class WorkerGpu(ApiModel):
    """Whether the silos' runners use GPUs. Each silo configures how it provides them."""

    mode: Literal["Never", "Prefer", "Require"] = "Never"
    """`Prefer` falls back to the CPU if no GPU is free. With `Require`, a silo without a GPU declines the job."""
    count: Annotated[PositiveInt, Field(le=64)] = 1
    """The number of GPUs for each silo's runner."""


class Worker(ApiModel):
    """Settings of the silos' workers."""

    gpu: WorkerGpu = Field(default_factory=WorkerGpu)


class Storage(ApiModel):
    """The coordinator's PersistentVolumeClaim. It holds checkpoints, accumulators, and the result before its export."""

    size: Size = "10Gi"
    """The requested size. Checkpoints and the accumulators of a round need about (silos + 2) times the model's
    size."""
    storage_class_name: ObjectName | None = None
    """The name of the StorageClass. Defaults to the cluster's default class."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod"] = "ReadWriteOnce"
    """The access mode. Use ReadWriteOncePod if the storage supports it: two coordinators then never run at once, even
    if a node is lost."""
    when_deleted: Literal["Retain", "Delete"] | None = None
    """Whether the claim is deleted together with the job. By default, the claim is deleted if the result was exported
    to the location in `spec.output`, and retained if it holds the only copy. With `Delete`, `ttlSecondsAfterFinished`
    deletes neither a failed job nor a job without `spec.output`: a person must delete it."""


class Coordinator(ApiModel):
    """The coordinator's pod. A change takes effect at the next attempt. `storage` cannot change."""

    resources: CheckedResources = Field(default_factory=Resources)
    """The container's `requests` and `limits`."""
    node_selector: Labels = Field(default_factory=dict)
    """Labels that a node must have to run the pod."""
    tolerations: Annotated[list[CheckedToleration], Field(max_length=32, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """The pod's tolerations."""
    storage: Storage = Field(default_factory=Storage)


class Claim(ApiModel):
    """A folder in an existing PersistentVolumeClaim of the job's namespace."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim."""
    path: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", max_length=1024),
        ]
        | None
    ) = None
    """A folder in the volume, such as `models/digits`. Defaults to the root of the volume."""


class SecretRef(ApiModel):
    """A Secret in the job's namespace."""

    name: ObjectName
    """Name of the Secret."""


class Output(ApiModel):
    """Where the result is stored. On one machine, it is always stored in the folder of the run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.uri) && has(self.persistentVolumeClaim))",
                "uri and persistentVolumeClaim are both set: keep one of them",
            ),
            rule(
                "!has(self.secretRef) || has(self.uri)",
                "secretRef is set without a uri: add uri, or remove secretRef",
                field=".secretRef",
            ),
            rule(
                f"!has(self.uri) || !(self.uri.split(':')[0] in {list(_OF_THE_POD)})",
                "the result would be lost with the coordinator's pod: set persistentVolumeClaim instead",
                field=".uri",
            ),
        )
    )

    uri: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://.+", max_length=2048)] | None = None
    """A URL that fsspec can write to, such as `s3://models/digits`."""
    secret_ref: SecretRef | None = None
    """The credentials for `uri`: a Secret in the job's namespace. Its key `options.json` holds fsspec's options for the
    storage, such as `{"key": ..., "secret": ...}` for s3."""
    persistent_volume_claim: Claim | None = None
    formats: Annotated[list[OutputFormat], Field(min_length=1, max_length=8, json_schema_extra=SET)] = Field(
        default_factory=_both
    )
    """The formats of the exported model. The weights are always exported too."""

    @model_validator(mode="after")
    def _one_lasting_place(self) -> Output:
        if self.uri is not None and self.persistent_volume_claim is not None:
            refuse("uri and persistentVolumeClaim are both set", "Keep one of them.")
        if self.secret_ref is not None and self.uri is None:
            refuse("secretRef is set without a uri", "Add uri, or remove secretRef.")
        if self.uri is not None and self.uri.partition(":")[0] in _OF_THE_POD:
            refuse(
                f"with uri: {self.uri} the result would be lost with the coordinator's pod",
                "Set persistentVolumeClaim instead.",
            )
        if len(set(self.formats)) < len(self.formats):
            refuse("a format occurs more than once", "List each format once.")
        return self
