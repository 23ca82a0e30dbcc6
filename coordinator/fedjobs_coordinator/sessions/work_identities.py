"""Identifies invocations and work. Work with the same identity has the same report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fedjobs_common import digests
from fedjobs_common.ids import Digest, JobUid, SiloName, WorkId
from fedjobs_protocol.v1 import session_pb2 as pb


@dataclass(frozen=True)
class InvocationId:
    """One call of a computation.

    Attributes:
        text: Identifies the invocation within the job, the same after a restart.
        number: The number of the invocation since the last durable state, starting at 1.
    """

    text: str
    number: int

    def of_attempt(self, attempt: int) -> str:
        """Identifies one attempt of the invocation, of which the first is 1."""
        return digests.digest(f"{self.text}/{attempt}".encode())


class WorkIdentities:
    """Computes the identities of invocations and of their work.

    The identity of an invocation depends on the job, the version of the last durable state, the shards, the values of
    the coordinator, the selection of data, and the number of the occurrence since the last durable state. The
    occurrence distinguishes work that a program repeats on purpose. The version distinguishes it from work of a round
    that is in the durable state already. A restarted coordinator repeats the same occurrences from the same state.
    """

    def __init__(self, job_uid: JobUid) -> None:
        self._job_uid = job_uid
        self._version = 0
        self._number = 0
        self._occurrences: Counter[str] = Counter()

    def mark_durable(self, version: int) -> None:
        """Starts to count again, because the state of this version is durable, or was loaded."""
        self._version, self._number = version, 0
        self._occurrences.clear()

    def next_invocation(self, shards: Sequence[Digest], inputs: Sequence[Digest], selections: str) -> InvocationId:
        """Returns the identity of the next call of a computation.

        Args:
            shards: The digests of the shards of its stages.
            inputs: The digests of the coordinator's values that are broadcast in the first stage.
            selections: A text that identifies the selected data.
        """
        key = json.dumps([list(shards), list(inputs), selections])
        self._number += 1
        self._occurrences[key] += 1
        parts = [self._job_uid, self._version, key, self._occurrences[key]]
        return InvocationId(digests.digest(json.dumps(parts).encode()), self._number)

    def work_id(
        self,
        invocation: str,
        stage: int,
        shard: Digest,
        broadcasts: Sequence[Digest],
        client_inputs: Sequence[pb.ClientInput],
        clients: pb.Clients,
        silo: SiloName,
    ) -> WorkId:
        """Returns the identity of a silo's work.

        Args:
            invocation: The invocation, or the attempt if silos keep values between its stages.
            stage: The number of the stage.
            shard: The digest of the shard.
            broadcasts: The digests of the broadcast values.
            client_inputs: The sources of the client inputs.
            clients: The silo's clients.
            silo: The name of the silo.
        """
        sources = [_source(i) for i in client_inputs]
        counted = clients.SerializeToString(deterministic=True).hex()
        parts = [self._job_uid, invocation, stage, shard, list(broadcasts), sources, counted, silo]
        return WorkId(digests.digest(json.dumps(parts).encode()))


def _source(client_input: pb.ClientInput) -> list[str | int]:
    if client_input.HasField("selection"):
        return ["selection", client_input.selection.dataset, client_input.selection.seed]
    return ["values", client_input.values.digest.hex()]
