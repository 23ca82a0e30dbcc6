"""A resolved job: what the operator, or `fedjobs run`, hands to the coordinator.

A manifest is resolved once, with all defaults and the names of the silos filled in, and never changes afterwards. The
coordinator reads nothing else.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from fedjobs_common.models import Model


class ResolvedProgram(Model):
    """Exactly one of `name` and `entrypoint` is set."""

    name: str | None = None
    """A program of the built-in library."""
    entrypoint: str | None = None
    """`module:function` of a Python program, run at the coordinator only."""
    source: str | None = None
    """Folder that is put on the Python path for `entrypoint`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Already checked against the program's own model."""


class ResolvedCohort(Model):
    min_silos: int = Field(ge=1)
    goal_silos: int = Field(ge=1)
    round_deadline_seconds: float = Field(gt=0)


class ResolvedJob(Model):
    uid: str
    """32 hex digits and dashes: a UUID."""
    name: str
    program: ResolvedProgram
    dataset: str
    silos: list[str]
    """Names of the invited silos, sorted."""
    cohort: ResolvedCohort
    output_formats: tuple[Literal["savedmodel", "keras"], ...] = ("savedmodel", "keras")
    requested_by: str | None = None
