"""What a coordinator reports about itself: a snapshot, an append-only log of progress, and a final word.

The snapshot (`status.json`, replaced atomically) and the log (`progress.jsonl`) are files in the coordinator's folder.
On one machine, the client reads them. On a cluster, the coordinator serves the snapshot to the operator. The final word
is the container's termination message.
"""

from __future__ import annotations

import enum
import json
from typing import Any, Literal

from pydantic import Field

from fedjobs_common.models import Model

LONGEST_FINAL_WORD = 4096
"""The maximum size of a termination message, in bytes."""


class Phase(enum.StrEnum):
    STARTING = "Starting"
    """The process has started and silos can join. It still imports TensorFlow Federated."""
    WAITING_FOR_SILOS = "WaitingForSilos"
    RUNNING = "Running"
    EXPORTING = "Exporting"
    COMPLETE = "Complete"
    FAILED = "Failed"
    SUSPENDED = "Suspended"

    @property
    def is_final(self) -> bool:
        """Whether the coordinator exits by itself in this phase."""
        return self in (Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED)


class SiloState(enum.StrEnum):
    INVITED = "Invited"
    """It has not joined yet."""
    READY = "Ready"
    WORKING = "Working"
    AWAITING_APPROVAL = "AwaitingApproval"
    """A person of the silo must approve the computation first."""
    LOST = "Lost"
    """It has joined, but has not called for a while."""
    DECLINED = "Declined"
    """Its policy declined the invitation."""
    REFUSED = "Refused"
    """Its policy refused a shard, or its data do not match the computation."""


class SiloStatus(Model):
    name: str
    state: SiloState
    activity: str = ""
    """The silo's current activity: loading, fetching, running, sending or idle."""
    reason: str = ""
    """The policy rule or the error code of the last refusal or failure."""
    message: str = ""
    device: str = ""
    clients: int = 0
    """The number of local clients in the silo's last report."""
    bytes_down: int = 0
    """Bytes sent to the silo since this coordinator process started."""
    bytes_up: int = 0
    restarts: int = 0
    """The number of the silo's sessions after the first one."""


class ResultLocation(Model):
    uri: str
    """Where the result is, as the coordinator sees it: the output URI, or the `file://` URI of its folder."""
    digest: str
    """BLAKE3 of the result's list of files, in hex. Equal results have equal digests."""


class Status(Model):
    job_uid: str
    job_name: str
    phase: Phase
    generation: int
    round: int = 0
    """Finished rounds."""
    rounds: int = 0
    """Rounds to do; 0: not known."""
    silos: list[SiloStatus] = Field(default_factory=list)
    metrics: dict[str, float] = Field(default_factory=dict)
    """Of the last finished round."""
    seconds_left: float | None = None
    message: str = ""
    """Why the job failed, or what it waits for."""
    code: str = ""
    """The error code if the job failed."""
    computation: str = ""
    """The digest of the computation that the silos run, in hex: the digest of the first invocation's shard, or of the
    concatenated digests if it has several shards. Empty if it is not known yet."""
    result: ResultLocation | None = None
    """Set when the result is complete and confirmed by its storage."""

    def to_json(self) -> bytes:
        """Returns the status as JSON. Metrics can be NaN or Infinity, which pydantic would write as null."""
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
    """The error code, if an error ended the process."""
    message: str = ""
    computation: str = ""
    result: ResultLocation | None = None
    silos: list[SiloStatus] = Field(default_factory=list)
    """The silos. Empty if there is no room for them."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """The metrics of the last finished round. Empty if there is no room for them."""

    @staticmethod
    def of(status: Status) -> FinalWord:
        """Returns the final word for the last status."""
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
    """The number of the round, starting at 1."""
    seconds: float
    silos: list[str]
    """The silos whose accumulators are in the round's aggregate."""
    bytes_down: int
    bytes_up: int
    metrics: dict[str, float]
    """The metrics by flat names: `train/accuracy`, `evaluation/accuracy`, `evaluation/silo/hospital-a/accuracy`."""


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
