"""The error catalogue, and its one translator to and from gRPC.

An error that a person may see says what happened, to which field or silo, and what to do about it. Its code is stable:
it is written into reports, statuses and exit messages. What is not for the other side stays in the log.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import grpc


@dataclass(frozen=True)
class _Kind:
    status: grpc.StatusCode
    retryable: bool


class ErrorCode(enum.Enum):
    """What can go wrong; the value tells its gRPC status and whether trying again can help."""

    # A person's input.
    INVALID_JOB = ("InvalidJob", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    INVALID_PROGRAM_PARAMETER = ("InvalidProgramParameter", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    INVALID_SILO_FILE = ("InvalidSiloFile", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    UNKNOWN_PROGRAM = ("UnknownProgram", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    PORT_IN_USE = ("PortInUse", _Kind(grpc.StatusCode.UNAVAILABLE, False))
    # The silo's data.
    DATA_NOT_FOUND = ("DataNotFound", _Kind(grpc.StatusCode.NOT_FOUND, False))
    DATA_MALFORMED = ("DataMalformed", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    DATA_DOES_NOT_FIT = ("DataDoesNotFit", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    # The computation.
    UNSUPPORTED_COMPUTATION = ("UnsupportedComputation", _Kind(grpc.StatusCode.UNIMPLEMENTED, False))
    PROGRAM_FAILED = ("ProgramFailed", _Kind(grpc.StatusCode.ABORTED, False))
    RUNNER_FAILED = ("RunnerFailed", _Kind(grpc.StatusCode.ABORTED, True))
    SHARD_FAILED = ("ShardFailed", _Kind(grpc.StatusCode.ABORTED, False))
    COHORT_TOO_SMALL = ("CohortTooSmall", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    # The protocol.
    VERSION_MISMATCH = ("VersionMismatch", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    NOT_INVITED = ("NotInvited", _Kind(grpc.StatusCode.PERMISSION_DENIED, False))
    WRONG_CERTIFICATE = ("WrongCertificate", _Kind(grpc.StatusCode.UNAUTHENTICATED, False))
    CERTIFICATE_EXPIRED = ("CertificateExpired", _Kind(grpc.StatusCode.UNAUTHENTICATED, True))
    CSR_REFUSED = ("CsrRefused", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    TOKEN_REFUSED = ("TokenRefused", _Kind(grpc.StatusCode.UNAUTHENTICATED, False))
    SILO_SUSPENDED = ("SiloSuspended", _Kind(grpc.StatusCode.PERMISSION_DENIED, True))
    SILO_UNKNOWN = ("SiloUnknown", _Kind(grpc.StatusCode.PERMISSION_DENIED, False))
    TOO_MANY_REQUESTS = ("TooManyRequests", _Kind(grpc.StatusCode.RESOURCE_EXHAUSTED, True))
    SESSION_UNKNOWN = ("SessionUnknown", _Kind(grpc.StatusCode.NOT_FOUND, True))
    SESSION_SUPERSEDED = ("SessionSuperseded", _Kind(grpc.StatusCode.ABORTED, False))
    STALE_COORDINATOR = ("StaleCoordinator", _Kind(grpc.StatusCode.ABORTED, True))
    BLOB_NOT_FOUND = ("BlobNotFound", _Kind(grpc.StatusCode.NOT_FOUND, False))
    BLOB_CORRUPT = ("BlobCorrupt", _Kind(grpc.StatusCode.DATA_LOSS, True))
    BLOB_OFFSET = ("BlobOffset", _Kind(grpc.StatusCode.OUT_OF_RANGE, True))
    BLOB_TOO_LARGE = ("BlobTooLarge", _Kind(grpc.StatusCode.RESOURCE_EXHAUSTED, False))
    WORK_UNKNOWN = ("WorkUnknown", _Kind(grpc.StatusCode.NOT_FOUND, False))
    REPORT_MALFORMED = ("ReportMalformed", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    REPORT_NOT_FINITE = ("ReportNotFinite", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    # The result's storage.
    OUTPUT_REFUSED = ("OutputRefused", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    OUTPUT_FAILED = ("OutputFailed", _Kind(grpc.StatusCode.UNAVAILABLE, True))
    # Everything else.
    START_TIMED_OUT = ("StartTimedOut", _Kind(grpc.StatusCode.DEADLINE_EXCEEDED, True))
    DISK_FULL = ("DiskFull", _Kind(grpc.StatusCode.RESOURCE_EXHAUSTED, True))
    ALREADY_RUNNING = ("AlreadyRunning", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    UNAVAILABLE = ("Unavailable", _Kind(grpc.StatusCode.UNAVAILABLE, True))
    INTERNAL = ("Internal", _Kind(grpc.StatusCode.INTERNAL, False))

    def __init__(self, label: str, kind: _Kind) -> None:
        self.label = label
        self.status = kind.status
        self.retryable = kind.retryable


_BY_LABEL = {code.label: code for code in ErrorCode}


class FedjobsError(Exception):
    """An error of the catalogue.

    Args:
        code: Which one.
        message: One sentence for the person who runs the job or the silo: what happened, to which field, which value.
        remedy: What to do about it, as an imperative sentence.
    """

    def __init__(self, code: ErrorCode, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.code = code
        self.message = message
        self.remedy = remedy

    @property
    def public(self) -> str:
        """Message and remedy, as one text."""
        return str(self)

    @property
    def retryable(self) -> bool:
        return self.code.retryable


def code_of(label: str) -> ErrorCode:
    """The code of a label that came over the wire; INTERNAL for one that this version does not know."""
    return _BY_LABEL.get(label, ErrorCode.INTERNAL)


def to_grpc(error: FedjobsError) -> tuple[grpc.StatusCode, str]:
    """Status and details with which a servicer ends a call."""
    return error.code.status, f"{error.code.label}: {error.public}"


def from_grpc(error: grpc.RpcError) -> FedjobsError:
    """The catalogue's error for a call that failed.

    A status that carries none of our labels (a proxy's, gRPC's own) is UNAVAILABLE where a retry may help, else
    INTERNAL.
    """
    status: grpc.StatusCode = error.code()
    details: str = error.details() or ""
    label, separator, message = details.partition(": ")
    if separator and label in _BY_LABEL:
        return FedjobsError(_BY_LABEL[label], message)
    transient = (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    )
    code = ErrorCode.UNAVAILABLE if status in transient else ErrorCode.INTERNAL
    return FedjobsError(code, f"the call ended with {status.name}: {details}")
