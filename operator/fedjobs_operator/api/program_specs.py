"""`spec.program`: what a job runs."""

from __future__ import annotations

from typing import Annotated, Any

from fedjobs_protocol.programs.base import refuse
from pydantic import Field, model_validator

from fedjobs_operator.api.base import ApiModel

Text = Annotated[str, Field(min_length=1)]


class ConfigMap(ApiModel):
    name: Text


class ConfigMapKey(ApiModel):
    name: Text
    key: Text


class Computation(ApiModel):
    """A serialized `computation.proto`; exactly one of `configMap` and `path`."""

    config_map: ConfigMapKey | None = None
    """On a cluster: a key of a ConfigMap in the job's namespace."""
    path: Text | None = None
    """On one machine: a file, relative to the folder of the job's file."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Computation:
        _one_place(self.config_map, self.path)
        return self


class Source(ApiModel):
    """Where the modules of an entry point are; exactly one of `configMap` and `path`."""

    config_map: ConfigMap | None = None
    """On a cluster: a ConfigMap in the job's namespace, whose keys are files."""
    path: Text | None = None
    """On one machine: a folder, relative to the folder of the job's file."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        _one_place(self.config_map, self.path)
        return self


class Program(ApiModel):
    """Exactly one of `name`, `entrypoint` and `computation`."""

    name: Text | None = None
    """A program of the built-in library: `fedavg` or `evaluate`."""
    entrypoint: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    """`module:function`, Python that runs at the coordinator only."""
    computation: Computation | None = None
    source: Source | None = None
    """By default an entry point is looked for in the coordinator's image; on one machine beside the job's file."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Checked against the program's own model."""

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
