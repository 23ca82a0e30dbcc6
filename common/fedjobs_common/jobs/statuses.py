"""What a coordinator says of itself: one snapshot, an append-only log of progress, and a final word.

Snapshot and log are files in the coordinator's folder (`status.json`, replaced atomically, and `progress.jsonl`), read
by the client on one machine; the snapshot is served to the operator on a cluster. The final word is what a container
leaves behind as its termination message.
"""

from __future__ import annotations

import enum
import json
from typing import Any, Literal

from pydantic import Field

from fedjobs_common.models import Model

LONGEST_FINAL_WORD = 4096
"""Bytes of a termination message."""


class Phase(enum.StrEnum):
    STARTING = "Starting"
    """The process is up, silos may join; TensorFlow Federated is still being imported."""
    WAITING_FOR_SILOS = "WaitingForSilos"
    RUNNING = "Running"
    EXPORTING = "Exporting"
    COMPLETE = "Complete"
    FAILED = "Failed"
    SUSPENDED = "Suspended"

    @property
    def is_final(self) -> bool:
        """Whether the coordinator's process has come to an end of its own in it."""
        return self in (Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED)


class SiloState(enum.StrEnum):
    INVITED = "Invited"
    """Has not joined yet."""
    READY = "Ready"
    WORKING = "Working"
    AWAITING_APPROVAL = "AwaitingApproval"
    """A person of the silo has to look at the computation first."""
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


class ResultLocation(Model):
    uri: str
    """Where the result is, as the coordinator sees it: what it was told to export to, or `file://` of its folder."""
    digest: str
    """BLAKE3 of the list of the result's files, hex: same digest, same result."""


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
    computation: str = ""
    """What the silos run: the digest, hex, of the first invocation's shard, or of its shards' digests one after the
    other where there are several; empty: not known yet."""
    result: ResultLocation | None = None
    """Set once the result is complete, and confirmed by its storage."""

    def to_json(self) -> bytes:
        """As JSON with NaN and Infinity, which metrics may be: pydantic's own would write null."""
        return json.dumps(self.model_dump(mode="json", by_alias=True)).encode()


class FinalWord(Model):
    """The end of a coordinator's process, as its termination message tells it. A crash leaves none.

    A job can end before the operator has received its last status. So the final word also has what the job's status
    shows of silos and metrics, as far as it fits.
    """

    phase: Phase
    round: int = 0
    """Finished rounds."""
    rounds: int = 0
    """Rounds to do; 0: not known."""
    code: str = ""
    """Error code of the catalogue, where an error ended it."""
    message: str = ""
    computation: str = ""
    result: ResultLocation | None = None
    silos: list[SiloStatus] = Field(default_factory=list)
    """Empty where there is no room for them."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Of the last finished round; empty where there is no room for them."""

    @staticmethod
    def of(status: Status) -> FinalWord:
        """The final word that goes with the last status."""
        return FinalWord(
            phase=status.phase,
            round=status.round,
            rounds=status.rounds,
            code=status.code,
            message=status.message,
            computation=status.computation,
            result=status.result,
            silos=status.silos,
            metrics=status.metrics,
        )

    def to_json(self) -> bytes:
        """At most 4096 bytes, because Kubernetes reads no more.

        If there is more to say, these are left out in turn: what silos said and do, all silos, metrics, and the end of
        the message.
        """
        quiet = [silo.model_copy(update={"message": "", "activity": ""}) for silo in self.silos]
        word, content = self, self._dump()
        omissions: tuple[dict[str, Any], ...] = ({"silos": quiet}, {"silos": []}, {"metrics": {}})
        for shorter in omissions:
            if len(content) > LONGEST_FINAL_WORD:
                word = word.model_copy(update=shorter)
                content = word._dump()
        while len(content) > LONGEST_FINAL_WORD and word.message:
            word = word.model_copy(update={"message": word.message[: len(word.message) * 9 // 10]})
            content = word._dump()
        return content

    def _dump(self) -> bytes:
        found = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


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
