"""The outcome of a work item, as it may leave the silo."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_protocol.v1 import session_pb2 as pb


@dataclass(frozen=True)
class Finished:
    """A work item that ended.

    Attributes:
        report: The report for the coordinator, without the accumulators.
        accumulators: The framed accumulators as a descriptor of sealed memory, or as bytes if they are small. None if
            there are no accumulators.
        size: The size of the accumulators in bytes.
        repeatable: Whether a repeated request is answered with this outcome. Otherwise, the work runs again.
    """

    report: pb.Report
    accumulators: int | bytes | None = None
    size: int = 0
    repeatable: bool = True
