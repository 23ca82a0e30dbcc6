"""What a coordinator says of itself: one snapshot, and an append-only log of progress.

Both are files in the coordinator's folder (`status.json`, replaced atomically, and `progress.jsonl`), read by the
client on one machine and served to the operator on a cluster.
"""

from __future__ import annotations

import enum
from typing import Literal

from pydantic import Field

from fedjobs_protocol.models import Model


class Phase(enum.StrEnum):
    STARTING = "Starting"
    """The process is up, silos may join; TensorFlow Federated is still being imported."""
    WAITING_FOR_SILOS = "WaitingForSilos"
    RUNNING = "Running"
    EXPORTING = "Exporting"
    COMPLETE = "Complete"
    FAILED = "Failed"
    SUSPENDED = "Suspended"


class SiloState(enum.StrEnum):
    INVITED = "Invited"
    """Has not joined yet."""
    READY = "Ready"
    WORKING = "Working"
    LOST = "Lost"
    """Has joined, and has not been heard of for a while."""
    DECLINED = "Declined"
    """Its policy declined the invitation."""
    REFUSED = "Refused"
    """Its policy refused a shard, or its data do not fit."""


class SiloStatus(Model):
    name: str
    state: SiloState
    activity: str = ""
    """What it does in a word: loading, fetching, running, sending, idle."""
    reason: str = ""
    """Rule or error code of the last refusal or failure."""
    message: str = ""
    device: str = ""
    clients: int = 0
    """Local clients in its last report."""
    bytes_down: int = 0
    """Sent to the silo since this coordinator process started."""
    bytes_up: int = 0
    restarts: int = 0
    """Sessions after the first."""


class Status(Model):
    job_uid: str
    job_name: str
    phase: Phase
    epoch: int
    round: int = 0
    """Finished rounds."""
    rounds: int = 0
    """Rounds to do; 0: not known."""
    silos: list[SiloStatus] = Field(default_factory=list)
    metrics: dict[str, float] = Field(default_factory=dict)
    """Of the last finished round."""
    seconds_left: float | None = None
    message: str = ""
    """Why it failed, or what it waits for."""
    code: str = ""
    """Error code of the catalogue where it failed."""


class RoundEvent(Model):
    event: Literal["round"] = "round"
    time: float
    """Seconds since 1970."""
    round: int
    """From 1."""
    seconds: float
    silos: list[str]
    """Those whose accumulators are in it."""
    bytes_down: int
    bytes_up: int
    metrics: dict[str, float]
    """Flat names, such as `train/accuracy`, `evaluation/accuracy`, `evaluation/silo/hospital-a/accuracy`."""


class SiloEvent(Model):
    event: Literal["silo"] = "silo"
    time: float
    silo: str
    state: SiloState
    reason: str = ""
    message: str = ""


class PhaseEvent(Model):
    event: Literal["phase"] = "phase"
    time: float
    phase: Phase
    message: str = ""


ProgressEvent = RoundEvent | SiloEvent | PhaseEvent
