"""The clients of the silo over which a work item runs."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.values import Array
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.release.failures import Failure, WorkFailedError

_MOST_GIVEN = 1 << 31


@dataclass(frozen=True)
class LocalClients:
    """The clients of a work item.

    Attributes:
        count: Their number.
        identity: Equal for the same clients of the same dataset.
        of_silo: Whether the silo selected them from a dataset. Otherwise the program gives the values.
    """

    count: int
    identity: Digest
    of_silo: bool


def selected(dataset: str, clients: Array) -> LocalClients:
    """Returns clients of a dataset.

    Args:
        dataset: The name of the dataset.
        clients: The indices of the clients, int64.
    """
    content = b"\0".join([b"selected", dataset.encode(), clients.astype("<i8").tobytes()])
    return LocalClients(len(clients), digests.digest(content), of_silo=True)


def given(work: pb.Work, *, reads_data: bool) -> LocalClients:
    """Returns the clients of a work item for which the program gives the values.

    Args:
        work: The work item.
        reads_data: Whether the work reads data of the silo. Then the silo must select the clients.

    Raises:
        WorkFailedError: The work does not say how many clients there are, or lets the coordinator count the silo's.
    """
    if not work.clients.HasField("given") or work.clients.given > _MOST_GIVEN:
        raise WorkFailedError(Failure(FailureClass.WORK_INVALID), "the work does not say over which clients it runs")
    if reads_data:
        detail = "the work reads data of the silo, and does not name the dataset of the clients"
        raise WorkFailedError(Failure(FailureClass.WORK_INVALID), detail)
    count = work.clients.given
    return LocalClients(count, digests.digest(b"given\0%d" % count), of_silo=False)
