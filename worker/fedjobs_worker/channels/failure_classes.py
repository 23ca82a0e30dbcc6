"""The closed vocabulary for failures. A failure that leaves the silo has a class of this list, and no other text."""

from __future__ import annotations

import enum

from fedjobs_common.errors import ErrorCode


class FailureClass(enum.Enum):
    """The kinds of failures: the name, the code of the error catalogue, and what happened."""

    # An operation of the graph failed over the silo's data.
    INVALID_ARGUMENT = ("InvalidArgument", ErrorCode.SHARD_FAILED, "An operation got an invalid argument")
    OUT_OF_RANGE = ("OutOfRange", ErrorCode.SHARD_FAILED, "An operation got a value that is out of range")
    RESOURCE_EXHAUSTED = ("ResourceExhausted", ErrorCode.SHARD_FAILED, "An operation lacked memory or another resource")
    UNIMPLEMENTED = ("Unimplemented", ErrorCode.SHARD_FAILED, "An operation does not support its inputs")
    NOT_READY = ("NotReady", ErrorCode.SHARD_FAILED, "An operation used a variable or a table that has no value")
    OPERATION_FAILED = ("OperationFailed", ErrorCode.SHARD_FAILED, "An operation failed")
    # The run failed.
    SHARD_INVALID = ("ShardInvalid", ErrorCode.SHARD_FAILED, "TensorFlow cannot load or run the graphs")
    INPUT_MISMATCH = ("InputMismatch", ErrorCode.SCHEMA_MISMATCH, "The inputs have different numbers of local clients")
    RESULT_MISMATCH = ("ResultMismatch", ErrorCode.SHARD_FAILED, "The result does not have the declared types")
    DEADLINE_EXCEEDED = ("DeadlineExceeded", ErrorCode.SHARD_FAILED, "The work took longer than the silo allows")
    RUNNER_DIED = ("RunnerDied", ErrorCode.RUNNER_FAILED, "The process that runs TensorFlow died several times")
    RUNNER_MISSING = ("RunnerMissing", ErrorCode.RUNNER_FAILED, "The process that runs TensorFlow is not available")
    # The data cannot be used. Nothing ran.
    DATA_NOT_FOUND = ("DataNotFound", ErrorCode.DATA_NOT_FOUND, "The files of the dataset do not exist")
    DATA_MALFORMED = ("DataMalformed", ErrorCode.DATA_MALFORMED, "A record of the dataset cannot be read")
    SCHEMA_MISMATCH = (
        "SchemaMismatch",
        ErrorCode.SCHEMA_MISMATCH,
        "The dataset does not have the columns, dtypes and shapes that the silo file or the computation expects",
    )
    LOADER_FAILED = ("LoaderFailed", ErrorCode.RUNNER_FAILED, "The process that reads the data failed")
    # The work item cannot be used. Nothing ran.
    WORK_INVALID = ("WorkInvalid", ErrorCode.SHARD_FAILED, "The work item does not fit its computation")
    TOO_LARGE = ("TooLarge", ErrorCode.BLOB_TOO_LARGE, "A value of the work item is larger than the silo accepts")
    BLOB_CORRUPT = ("BlobCorrupt", ErrorCode.BLOB_CORRUPT, "A received value does not have the announced digest")
    BLOB_NOT_FOUND = ("BlobNotFound", ErrorCode.BLOB_NOT_FOUND, "The coordinator does not have a value of the work")
    RESULT_REJECTED = ("ResultRejected", ErrorCode.REPORT_MALFORMED, "The coordinator rejected the result")
    # Values that stay in the silo between the stages of an invocation.
    KEPT_MISSING = (
        "KeptMissing",
        ErrorCode.KEPT_VALUES_LOST,
        "The silo no longer has what an earlier stage of the computation kept",
    )
    KEPT_TOO_LARGE = (
        "KeptTooLarge",
        ErrorCode.BLOB_TOO_LARGE,
        "The values to keep between the stages of the computation are larger than the silo accepts",
    )
    # Everything else.
    DISK_FULL = ("DiskFull", ErrorCode.DISK_FULL, "The disk of the silo is full")
    INTERNAL = ("Internal", ErrorCode.INTERNAL, "The silo failed unexpectedly")

    def __init__(self, label: str, code: ErrorCode, sentence: str) -> None:
        self.label = label
        self.code = code
        self.sentence = sentence


_BY_LABEL = {failure.label: failure for failure in FailureClass}
_OF_TENSORFLOW = {
    "InvalidArgumentError": FailureClass.INVALID_ARGUMENT,
    "OutOfRangeError": FailureClass.OUT_OF_RANGE,
    "ResourceExhaustedError": FailureClass.RESOURCE_EXHAUSTED,
    "UnimplementedError": FailureClass.UNIMPLEMENTED,
    "FailedPreconditionError": FailureClass.NOT_READY,
    "NotFoundError": FailureClass.NOT_READY,
}


def failure_class(label: str) -> FailureClass:
    """Returns the class with this name. Returns OPERATION_FAILED for an unknown name, which a runner may send."""
    return _BY_LABEL.get(label, FailureClass.OPERATION_FAILED)


def of_tensorflow(error: str) -> FailureClass:
    """Returns the class for the name of one of TensorFlow's exceptions."""
    return _OF_TENSORFLOW.get(error, FailureClass.OPERATION_FAILED)
