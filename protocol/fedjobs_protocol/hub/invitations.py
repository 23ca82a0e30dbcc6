"""The invitation: what a silo learns about a job before it starts anything for the job.

It comes from the hub, and its names become names of files and objects in the silo. So each field has a closed form.
"""

from __future__ import annotations

from typing import Literal

from fedjobs_common.models import Model
from fedjobs_common.outside_names import Address, DnsLabel, DnsName, PrintableText, Uid
from pydantic import Field


class InvitationGpu(Model):
    """Whether the job asks for GPUs. Each silo configures how it provides them."""

    mode: Literal["Never", "Prefer", "Require"] = "Never"
    """`Prefer` falls back to the CPU if no GPU is free. With `Require`, a silo without a GPU declines the job."""
    count: int = Field(default=1, ge=1, le=1024)


class Invitation(Model):
    job_uid: Uid
    job_name: DnsName
    namespace: DnsLabel | Literal[""] = ""
    """The namespace of the job in the federation's cluster. Empty on one machine."""
    requested_by: PrintableText | None = None
    program: PrintableText
    """The name of the built-in program, or the entry point."""
    datasets: list[PrintableText] = Field(max_length=256)
    """All datasets that the job needs."""
    rounds: int | None = Field(default=None, ge=0, lt=2**31)
    """The maximum number of rounds. None if the job does not specify it."""
    min_silos: int = Field(default=1, ge=1, lt=2**31)
    """The minimum number of silos in a round."""
    differential_privacy: bool = False
    """Whether the job states that its coordinator adds noise to aggregates."""
    secure_aggregation: bool = False
    """Whether the job states that the coordinator sees sums only."""
    address: Address
    """`host:port` of the coordinator."""
    server_name: DnsName
    """The name in the coordinator's certificate, `j-<16 hex digits of the job's uid>.<front door>`."""
    gpu: InvitationGpu = Field(default_factory=InvitationGpu)
