"""`spec.program`: what a job runs."""

from __future__ import annotations

from typing import Annotated, Any

from fedjobs_common.programs.base import refuse
from pydantic import ConfigDict, Field, model_validator

from fedjobs_operator.api.base import ApiModel
from fedjobs_operator.api.immutability import unchangeable
from fedjobs_operator.api.markers import FREE_FORM, rule, rules
from fedjobs_operator.api.names import FileKey, ObjectName, Path, Text

_ONE_PLACE = rules(
    rule(
        "has(self.configMap) != has(self.path)",
        "exactly one of configMap and path is needed: give a configMap on a cluster, a path on one machine",
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
    """A serialized TFF computation (`computation.proto`), which is not run yet: such a job is not accepted."""

    model_config = ConfigDict(json_schema_extra=_ONE_PLACE)

    config_map: ConfigMapKey | None = None
    """On a cluster: a key of a ConfigMap in the job's namespace."""
    path: Path | None = None
    """On one machine: a file, relative to the folder of the job's file."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Computation:
        _one_place(self.config_map, self.path)
        return self


class Source(ApiModel):
    """Where the modules of an entry point are; exactly one of `configMap` and `path`."""

    model_config = ConfigDict(json_schema_extra=_ONE_PLACE)

    config_map: ConfigMap | None = None
    """On a cluster: a ConfigMap in the job's namespace, whose keys are files."""
    path: Path | None = None
    """On one machine: a folder, relative to the folder of the job's file."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        _one_place(self.config_map, self.path)
        return self


class Program(ApiModel):
    """What runs; exactly one of `name`, `entrypoint` and `computation`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.name), has(self.entrypoint), has(self.computation)].filter(given, given).size() == 1",
                "exactly one of name, entrypoint and computation is needed: write name: fedavg, for example",
            ),
            *(unchangeable(field, optional=True) for field in ("name", "entrypoint", "computation", "source")),
        )
    )

    name: Text | None = None
    """A program of the built-in library: `fedavg` or `evaluate`."""
    entrypoint: (
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$", max_length=253)] | None
    ) = None
    """`module:function`, Python that runs at the coordinator only."""
    computation: Computation | None = None
    source: Source | None = None
    """By default an entry point is looked for in the coordinator's image; on one machine beside the job's file."""
    parameters: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] = Field(default_factory=dict)
    """Checked against the program's own model, by the operator: a wrong one is named in the condition Accepted. A
    change has no effect once the job has begun (condition SpecChanged)."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Program:
        kinds = {"name": self.name, "entrypoint": self.entrypoint, "computation": self.computation}
        given = [kind for kind, value in kinds.items() if value is not None]
        if len(given) != 1:
            refuse(
                f"exactly one of name, entrypoint and computation is needed, here are: {', '.join(given) or 'none'}",
                "Keep one of them." if given else "Add name: fedavg, for example.",
            )
        return self


def _one_place(config_map: object, path: str | None) -> None:
    if (config_map is None) == (path is None):
        refuse("exactly one of configMap and path is needed", "Give a path on one machine, a configMap on a cluster.")
