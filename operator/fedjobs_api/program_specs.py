"""The models of `spec.program`, the program that a job runs."""

from __future__ import annotations

from typing import Annotated, Any

from fedjobs_common.programs.base import refuse
from pydantic import ConfigDict, Field, model_validator

from fedjobs_api.fields import ApiModel, FileKey, ObjectName, Path, Text
from fedjobs_api.markers import FREE_FORM, rule, rules, unchangeable

_ONE_PLACE = rules(
    rule(
        "has(self.configMap) != has(self.path)",
        "exactly one of configMap and path is required: set configMap on a cluster, or path on one machine",
    )
)


class ConfigMap(ApiModel):
    """A ConfigMap in the job's namespace."""

    name: ObjectName
    """Name of the ConfigMap."""


class ConfigMapKey(ApiModel):
    """A key of a ConfigMap in the job's namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: FileKey
    """The key under its `data` or `binaryData`."""


class Computation(ApiModel):
    """A serialized TFF computation (`computation.proto`). It is not supported yet: such a job is not accepted."""

    model_config = ConfigDict(json_schema_extra=_ONE_PLACE)

    config_map: ConfigMapKey | None = None
    """A key of a ConfigMap in the job's namespace. Use it on a cluster."""
    path: Path | None = None
    """A file, relative to the folder of the job file. Use it on one machine."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Computation:
        _one_place(self.config_map, self.path)
        return self


class Source(ApiModel):
    """The location of the entry point's modules. Set exactly one of `configMap` and `path`."""

    model_config = ConfigDict(json_schema_extra=_ONE_PLACE)

    config_map: ConfigMap | None = None
    """A ConfigMap in the job's namespace whose keys are the files. Use it on a cluster."""
    path: Path | None = None
    """A folder, relative to the folder of the job file. Use it on one machine."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        _one_place(self.config_map, self.path)
        return self


class Program(ApiModel):
    """The program that the coordinator runs. Set exactly one of `name`, `entrypoint` and `computation`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.name), has(self.entrypoint), has(self.computation)].filter(given, given).size() == 1",
                "exactly one of name, entrypoint and computation is required: set name: fedavg, for example",
            ),
            *(unchangeable(field, optional=True) for field in ("name", "entrypoint", "computation", "source")),
        )
    )

    name: Text | None = None
    """The name of a built-in program: `fedavg` or `evaluate`."""
    entrypoint: (
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$", max_length=253)] | None
    ) = None
    """A Python function, as `module:function`. It runs at the coordinator only."""
    computation: Computation | None = None
    source: Source | None = None
    """Where the entry point's modules are. By default, they are in the coordinator's image. On one machine, they are in
    the folder of the job file by default."""
    parameters: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] = Field(default_factory=dict)
    """The program's parameters. The operator validates them against the program's own schema, and reports an invalid
    parameter in the condition Accepted. A change has no effect after the job has been accepted (see the condition
    SpecChanged)."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Program:
        kinds = {"name": self.name, "entrypoint": self.entrypoint, "computation": self.computation}
        given = [kind for kind, value in kinds.items() if value is not None]
        if len(given) != 1:
            refuse(
                f"exactly one of name, entrypoint and computation is required, found: {', '.join(given) or 'none'}",
                "Keep one of them." if given else "Add name: fedavg, for example.",
            )
        return self


def _one_place(config_map: object, path: str | None) -> None:
    if (config_map is None) == (path is None):
        refuse("exactly one of configMap and path is required", "Set path on one machine, or configMap on a cluster.")
