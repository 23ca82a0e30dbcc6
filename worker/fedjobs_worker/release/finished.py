"""The outcome of a work item, as it may leave the silo."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.consent.data_reads import NOTHING, DataReads


@dataclass(frozen=True)
class Finished:
    """A work item that ended.

    Attributes:
        report: The report for the coordinator, without the accumulators.
        accumulators: The framed accumulators as a descriptor of sealed memory, or as bytes if they are small. None if
            there are no accumulators.
        size: The size of the accumulators in bytes.
        reads: What the work has read.
        repeatable: Whether a repeated request is answered with this outcome. Otherwise, the work runs again.
    """

    report: pb.Report
    accumulators: int | bytes | None = None
    size: int = 0
    repeatable: bool = True
    reads: DataReads = NOTHING

    def inlined(self, limit: int) -> Finished:
        """Returns the same with accumulators of at most `limit` bytes copied out of shared memory."""
        if not isinstance(self.accumulators, int) or self.size > limit:
            return self
        value = os.pread(self.accumulators, self.size, 0)
        os.close(self.accumulators)
        return replace(self, accumulators=value, size=len(value))
