"""The resolved job, which the operator or `fedjobs run` passes to the coordinator.

A manifest is resolved once: all defaults and silo names are filled in. The resolved job never changes. The coordinator
does not read the manifest.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from fedjobs_common.models import Model


class ResolvedProgram(Model):
    """The program of a resolved job. Exactly one of `name` and `entrypoint` is set."""

    name: str | None = None
    """Name of a built-in program."""
    entrypoint: str | None = None
    """A Python function, as `module:function`. It runs at the coordinator only."""
    source: str | None = None
    """The folder that is added to the Python path for `entrypoint`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """The parameters, validated against the program's own model."""


class ResolvedCohort(Model):
    min_silos: int = Field(ge=1)
    goal_silos: int = Field(ge=1)
    round_deadline_seconds: float = Field(gt=0)


class ResolvedJob(Model):
    uid: str
    """A UUID: 32 hex digits and dashes."""
    name: str
    program: ResolvedProgram
    dataset: str
    silos: list[str]
    """Names of the invited silos, sorted."""
    cohort: ResolvedCohort
    output_formats: tuple[Literal["savedmodel", "keras"], ...] = ("savedmodel", "keras")
    requested_by: str | None = None
