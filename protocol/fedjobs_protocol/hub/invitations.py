"""An invitation: what a silo is told about a job before anything of its own is started for it."""

from __future__ import annotations

from typing import Literal

from fedjobs_common.models import Model
from pydantic import Field


class InvitationGpu(Model):
    """Whether the silo's runner shall have GPUs; what that means is the silo's to say."""

    mode: Literal["Never", "Prefer", "Require"] = "Never"
    """`Prefer`: a CPU where no GPU is free; `Require`: a silo without one declines."""
    count: int = Field(default=1, ge=1)


class Invitation(Model):
    job_uid: str
    job_name: str
    namespace: str = ""
    """The namespace of the job in the federation's cluster; empty on one machine."""
    requested_by: str | None = None
    program: str
    """Name of the built-in program, or the entry point."""
    datasets: list[str]
    """All datasets that the job will ask for."""
    rounds: int | None = None
    """At most so many rounds; None: the job does not say."""
    min_silos: int = Field(default=1, ge=1)
    """The smallest cohort of a round, as the coordinator has it."""
    differential_privacy: bool = False
    """Whether the job says that its coordinator adds noise to what it aggregates."""
    secure_aggregation: bool = False
    """Whether the job says that the coordinator sees sums only."""
    address: str
    """`host:port` to dial."""
    server_name: str
    """The name in the coordinator's certificate, `j-<16 hex digits of the job's uid>.<front door>`."""
    gpu: InvitationGpu = Field(default_factory=InvitationGpu)
