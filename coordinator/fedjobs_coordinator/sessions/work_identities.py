"""What makes two pieces of work the same: then, and only then, the report of one is the report of the other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from fedjobs_common import digests
from fedjobs_common.ids import Digest, JobUid, SiloName, WorkId
from fedjobs_protocol.v1 import session_pb2 as pb


class WorkIdentities:
    """Gives work its identity.

    It is made of job, shard, inputs, silo, selection of data, and how often the same came since the last durable state.
    The last part tells apart what a program repeats on purpose; a coordinator that starts again repeats the same
    occurrences from the same durable state.
    """

    def __init__(self, job_uid: JobUid) -> None:
        self._job_uid = job_uid
        self._occurrences: Counter[str] = Counter()

    def mark_durable(self) -> None:
        """The state is durable: occurrences count from here."""
        self._occurrences.clear()

    def next_occurrence(self, shard: Digest, broadcasts: Sequence[Digest], selections: str) -> int:
        """Counts an invocation of a stage; all silos of its cohort share the number."""
        key = json.dumps([shard, list(broadcasts), selections])
        self._occurrences[key] += 1
        return self._occurrences[key]

    def work_id(
        self,
        shard: Digest,
        broadcasts: Sequence[Digest],
        client_inputs: Sequence[pb.ClientInput],
        silo: SiloName,
        occurrence: int,
    ) -> WorkId:
        """The identity of one silo's part."""
        sources = [_source(i) for i in client_inputs]
        parts = [self._job_uid, shard, list(broadcasts), sources, silo, occurrence]
        return WorkId(digests.digest(json.dumps(parts).encode()))


def _source(client_input: pb.ClientInput) -> list[str | int]:
    if client_input.HasField("selection"):
        return ["selection", client_input.selection.dataset, client_input.selection.seed]
    return ["values", client_input.values.digest.hex()]
