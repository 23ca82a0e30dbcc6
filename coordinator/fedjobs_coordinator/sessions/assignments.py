"""Work given to silos, and what became of it: where the event loop and the program's thread meet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fedjobs_common.ids import SiloName, WorkId
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_coordinator.aggregation.blob_store import StoredBlob
from fedjobs_coordinator.aggregation.report_store import Report


@dataclass(frozen=True)
class Failure:
    """A silo's part is missing.

    Attributes:
        reason: Error code, or the rule of the silo's policy.
        message: For a person.
        final: The silo will not take part any more.
    """

    reason: str
    message: str
    final: bool = False


Outcome: TypeAlias = Report | Failure


@dataclass(frozen=True)
class Assignment:
    """One silo's part of one stage.

    Attributes:
        work: What it is told.
        blobs: What it may fetch, by digest.
        accumulators: Types of what it must send.
        largest: Bytes that its accumulators may have at most, framed.
        collection: Where the outcome goes.
    """

    silo: SiloName
    work_id: WorkId
    work: pb.Work
    blobs: Mapping[bytes, StoredBlob]
    accumulators: tuple[shard_pb2.Leaf, ...]
    largest: int
    collection: Collection = field(compare=False)


class Collection:
    """Outcomes of one stage, as they come in."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._outcomes: dict[SiloName, Outcome] = {}

    def put(self, silo: SiloName, outcome: Outcome) -> None:
        """An outcome came; the first one of a silo counts."""
        with self._condition:
            self._outcomes.setdefault(silo, outcome)
            self._condition.notify_all()

    def wait(self, count: int, until: float, now: Callable[[], float], stopped: Callable[[], bool]) -> None:
        """Returns when so many outcomes are in, at the time `until`, or when `stopped` says so."""
        with self._condition:
            while len(self._outcomes) < count and now() < until and not stopped():
                self._condition.wait(min(1.0, max(0.0, until - now())))

    def outcomes(self) -> dict[SiloName, Outcome]:
        """What is in."""
        with self._condition:
            return dict(self._outcomes)

    def wake(self) -> None:
        """Lets `wait` look again."""
        with self._condition:
            self._condition.notify_all()
