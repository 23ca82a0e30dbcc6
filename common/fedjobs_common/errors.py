"""The error catalogue, and its conversion to and from gRPC.

An error message for people says what happened, to which field or silo, and what to do about it. Error codes are stable:
reports, statuses and exit messages contain them. Details that are not for the other side stay in the log.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import grpc

from fedjobs_common.untrusted_text import printable


@dataclass(frozen=True)
class _Kind:
    status: grpc.StatusCode
    retryable: bool


class ErrorCode(enum.Enum):
    """The error codes. The value of a code has its label, its gRPC status, and whether a retry can help."""

    # User input.
    INVALID_JOB = ("InvalidJob", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    INVALID_PROGRAM_PARAMETER = ("InvalidProgramParameter", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    INVALID_SILO_FILE = ("InvalidSiloFile", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    UNKNOWN_PROGRAM = ("UnknownProgram", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    PORT_IN_USE = ("PortInUse", _Kind(grpc.StatusCode.UNAVAILABLE, False))
    # The silo's data.
    DATA_NOT_FOUND = ("DataNotFound", _Kind(grpc.StatusCode.NOT_FOUND, False))
    DATA_MALFORMED = ("DataMalformed", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    SCHEMA_MISMATCH = ("SchemaMismatch", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    # The computation.
    UNSUPPORTED_COMPUTATION = ("UnsupportedComputation", _Kind(grpc.StatusCode.UNIMPLEMENTED, False))
    PROGRAM_FAILED = ("ProgramFailed", _Kind(grpc.StatusCode.ABORTED, False))
    RUNNER_FAILED = ("RunnerFailed", _Kind(grpc.StatusCode.ABORTED, True))
    SHARD_REFUSED = ("ShardRefused", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    SHARD_FAILED = ("ShardFailed", _Kind(grpc.StatusCode.ABORTED, False))
    KEPT_VALUES_LOST = ("KeptValuesLost", _Kind(grpc.StatusCode.ABORTED, True))
    COHORT_TOO_SMALL = ("CohortTooSmall", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    # The protocol.
    VERSION_MISMATCH = ("VersionMismatch", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    REQUEST_MALFORMED = ("RequestMalformed", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    NOT_INVITED = ("NotInvited", _Kind(grpc.StatusCode.PERMISSION_DENIED, False))
    INVALID_CERTIFICATE = ("InvalidCertificate", _Kind(grpc.StatusCode.UNAUTHENTICATED, False))
    CERTIFICATE_EXPIRED = ("CertificateExpired", _Kind(grpc.StatusCode.UNAUTHENTICATED, True))
    INVALID_CERTIFICATE_REQUEST = ("InvalidCertificateRequest", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    INVALID_TOKEN = ("InvalidToken", _Kind(grpc.StatusCode.UNAUTHENTICATED, False))
    SILO_SUSPENDED = ("SiloSuspended", _Kind(grpc.StatusCode.PERMISSION_DENIED, True))
    SILO_NOT_FOUND = ("SiloNotFound", _Kind(grpc.StatusCode.PERMISSION_DENIED, False))
    TOO_MANY_REQUESTS = ("TooManyRequests", _Kind(grpc.StatusCode.RESOURCE_EXHAUSTED, True))
    SESSION_NOT_FOUND = ("SessionNotFound", _Kind(grpc.StatusCode.NOT_FOUND, True))
    SESSION_SUPERSEDED = ("SessionSuperseded", _Kind(grpc.StatusCode.ABORTED, False))
    STALE_COORDINATOR = ("StaleCoordinator", _Kind(grpc.StatusCode.ABORTED, True))
    BLOB_NOT_FOUND = ("BlobNotFound", _Kind(grpc.StatusCode.NOT_FOUND, False))
    BLOB_CORRUPT = ("BlobCorrupt", _Kind(grpc.StatusCode.DATA_LOSS, True))
    BLOB_OFFSET_MISMATCH = ("BlobOffsetMismatch", _Kind(grpc.StatusCode.OUT_OF_RANGE, True))
    BLOB_TOO_LARGE = ("BlobTooLarge", _Kind(grpc.StatusCode.RESOURCE_EXHAUSTED, False))
    WORK_NOT_FOUND = ("WorkNotFound", _Kind(grpc.StatusCode.NOT_FOUND, False))
    REPORT_MALFORMED = ("ReportMalformed", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    REPORT_NOT_FINITE = ("ReportNotFinite", _Kind(grpc.StatusCode.INVALID_ARGUMENT, False))
    # The result's storage.
    INVALID_OUTPUT = ("InvalidOutput", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    OUTPUT_UNAVAILABLE = ("OutputUnavailable", _Kind(grpc.StatusCode.UNAVAILABLE, True))
    # The federation's own components.
    AUTHORITY_MISSING = ("AuthorityMissing", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
    FEDERATION_EXISTS = ("FederationExists", _Kind(grpc.StatusCode.FAILED_PRECONDITION, False))
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
    """An error with a code of the catalogue.

    Args:
        code: The error code.
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
        """The message and the remedy, as one text."""
        return str(self)

    @property
    def retryable(self) -> bool:
        return self.code.retryable


def code_of(label: str) -> ErrorCode:
    """Returns the code of a label from the wire. Returns INTERNAL for an unknown label."""
    return _BY_LABEL.get(label, ErrorCode.INTERNAL)


def to_grpc(error: FedjobsError) -> tuple[grpc.StatusCode, str]:
    """Returns the gRPC status and details with which a servicer aborts a call."""
    return error.code.status, f"{error.code.label}: {error.public}"


def from_grpc(error: grpc.RpcError) -> FedjobsError:
    """Converts the error of a failed call to an error of the catalogue.

    The other party chooses the details, so they become printable here. A status without a label of the catalogue comes
    from gRPC itself or from a proxy. It becomes UNAVAILABLE if a retry can help, otherwise INTERNAL.
    """
    status: grpc.StatusCode = error.code()
    details = printable(error.details() or "")
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
    return FedjobsError(code, f"The call failed with {status.name}: {details}")
