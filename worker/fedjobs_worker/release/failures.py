"""Failures as the coordinator sees them: a class of a closed list, and the name of a node of the shard."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.data.data_errors import DataError, LoaderDiedError
from fedjobs_worker.release.texts import LONGEST_TEXT
from fedjobs_worker.runner.client import ShardFailedError

_OF_DATA = {
    ErrorCode.DATA_NOT_FOUND: FailureClass.DATA_NOT_FOUND,
    ErrorCode.DATA_MALFORMED: FailureClass.DATA_MALFORMED,
    ErrorCode.SCHEMA_MISMATCH: FailureClass.SCHEMA_MISMATCH,
}
_OF_CODES = {
    ErrorCode.BLOB_CORRUPT: FailureClass.BLOB_CORRUPT,
    ErrorCode.BLOB_NOT_FOUND: FailureClass.BLOB_NOT_FOUND,
    ErrorCode.BLOB_TOO_LARGE: FailureClass.TOO_LARGE,
    ErrorCode.DISK_FULL: FailureClass.DISK_FULL,
    ErrorCode.RUNNER_FAILED: FailureClass.RUNNER_MISSING,
}


@dataclass(frozen=True)
class Failure:
    """Why work failed.

    Attributes:
        kind: The class of the failure.
        node: The node that the runner reported. The gate sends it only if the shard has it.
        ran: Whether the work may have run over data. Then the coordinator gets the same failure for the same work.
        schema_text: A text with names, dtypes and shapes of the silo's data, for `shareDatasetSchemas`.
        request_text: A text that was made from the coordinator's own request alone, before any data were read.
        code: The code of the request's failure, if it is not that of the class.
    """

    kind: FailureClass
    node: str = ""
    ran: bool = False
    schema_text: str = ""
    request_text: str = ""
    code: ErrorCode | None = None


class WorkFailedError(Exception):
    """The work failed, and it is known how."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(detail or failure.kind.sentence)
        self.failure = failure


def of_request(error: FedjobsError) -> Failure:
    """Returns the failure for work whose shard was refused. Its text comes from the shard alone."""
    return Failure(FailureClass.WORK_INVALID, request_text=error.public, code=error.code)


def of_error(error: Exception) -> Failure:
    """Returns the failure for an exception. Nothing of the exception's text is in it, except for a schema's text."""
    if isinstance(error, WorkFailedError):
        return error.failure
    if isinstance(error, ShardFailedError):
        return Failure(error.kind, error.node, ran=True)
    if isinstance(error, LoaderDiedError):
        return Failure(FailureClass.LOADER_FAILED)
    if isinstance(error, DataError):
        return Failure(_OF_DATA.get(error.code, FailureClass.LOADER_FAILED), schema_text=error.public)
    if isinstance(error, FedjobsError):
        return Failure(_OF_CODES.get(error.code, FailureClass.INTERNAL))
    return Failure(FailureClass.INTERNAL)


def message_of(silo: str, failure: Failure, node: str, *, share_schemas: bool) -> pb.Error:
    """Returns the message for the coordinator.

    Args:
        silo: The silo's name.
        failure: The failure.
        node: The name of a node of the shard, or empty.
        share_schemas: The silo's `policy.shareDatasetSchemas`.
    """
    kind = failure.kind
    code = failure.code or kind.code
    if failure.request_text:
        text = failure.request_text
    elif failure.schema_text and share_schemas:
        text = f"{failure.schema_text}"
    else:
        where = f" in node '{node}'" if node else ""
        text = f"{kind.sentence}{where} ({kind.label}). The details are in the log of silo {silo}."
    return pb.Error(code=code.label, message=printable(text, LONGEST_TEXT), retryable=code.retryable)
