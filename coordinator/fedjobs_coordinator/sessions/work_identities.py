"""Identifies work. Work with the same identity has the same report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from fedjobs_common import digests
from fedjobs_common.ids import Digest, JobUid, SiloName, WorkId
from fedjobs_protocol.v1 import session_pb2 as pb


class WorkIdentities:
    """Computes the identities of work.

    An identity depends on the job, the shard, the inputs, the silo, the selection of data, and the number of the
    occurrence since the last durable state. The occurrence distinguishes work that a program repeats on purpose. A
    restarted coordinator repeats the same occurrences from the same durable state.
    """

    def __init__(self, job_uid: JobUid) -> None:
        self._job_uid = job_uid
        self._occurrences: Counter[str] = Counter()

    def mark_durable(self) -> None:
        """Resets the occurrences, because the state is durable."""
        self._occurrences.clear()

    def next_occurrence(self, shard: Digest, broadcasts: Sequence[Digest], selections: str) -> int:
        """Returns the number of the occurrence of a stage's invocation. All silos of the cohort share it."""
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
        clients: pb.Clients,
        invocation: str,
    ) -> WorkId:
        """Returns the identity of a silo's work."""
        sources = [_source(i) for i in client_inputs]
        number = clients.SerializeToString(deterministic=True).hex()
        parts = [self._job_uid, shard, list(broadcasts), sources, silo, occurrence, number, invocation]
        return WorkId(digests.digest(json.dumps(parts).encode()))


def _source(client_input: pb.ClientInput) -> list[str | int]:
    if client_input.HasField("selection"):
        return ["selection", client_input.selection.dataset, client_input.selection.seed]
    return ["values", client_input.values.digest.hex()]
