"""The error catalogue as a table: the codes, when each error occurs, and what to do."""

from __future__ import annotations

from fedjobs_common.errors import ErrorCode

# When each error occurs, and what to do. `make lint` reports a code without an entry.
MEANINGS: dict[ErrorCode, tuple[str, str]] = {
    ErrorCode.INVALID_JOB: (
        "A job file has a field that is missing, unknown or invalid.",
        "Correct the field that the message names. `fedjobs validate` checks a file without running it.",
    ),
    ErrorCode.INVALID_PROGRAM_PARAMETER: (
        "A parameter under `spec.program.parameters` is unknown, or its value is invalid.",
        "Correct the parameter that the message names. See the [programs' parameters](job.md#parameters).",
    ),
    ErrorCode.INVALID_SILO_FILE: (
        "A silo's file has a field that is missing, unknown or invalid.",
        "Correct the field that the message names. See [Write a silo's file](silo-file.md).",
    ),
    ErrorCode.UNKNOWN_PROGRAM: (
        "`spec.program.name` is not a built-in program.",
        "Use one of the programs that the message lists.",
    ),
    ErrorCode.PORT_IN_USE: (
        "Another process uses the port.",
        "Stop the other process, or choose another port.",
    ),
    ErrorCode.DATA_NOT_FOUND: (
        "No file matches a dataset's `path`, or the silo has no dataset with this name.",
        "Correct the path in the silo's file. A relative path is relative to this file.",
    ),
    ErrorCode.DATA_MALFORMED: (
        "A value cannot be read as its column's dtype. The silo's log names file, row and column. The message does so "
        "if the silo has `shareDatasetSchemas: true`.",
        "Correct the value, or the dtype in the silo's file.",
    ),
    ErrorCode.SCHEMA_MISMATCH: (
        "The silo's columns, dtypes or shapes do not match the computation. The silo's log names both. The message "
        "does so if the silo has `shareDatasetSchemas: true`.",
        "Correct `features` or `label` in the silo's file, or the model's `input` in the job file.",
    ),
    ErrorCode.UNSUPPORTED_COMPUTATION: (
        "The planner does not support the computation. The message names the intrinsic and the reason.",
        "See [what is planned and what is refused](computations.md).",
    ),
    ErrorCode.PROGRAM_FAILED: (
        "The program at the coordinator raised an error.",
        "Read the message. `--debug` shows the stack trace of the program.",
    ),
    ErrorCode.RUNNER_FAILED: (
        "A silo's process that runs TensorFlow died, for example because it ran out of memory.",
        "Nothing at first: the process is restarted and the work is retried. If it happens again, give the silo more "
        "memory.",
    ),
    ErrorCode.SHARD_REFUSED: (
        "A graph has something that the verifier does not know or does not allow. The message names program, segment, "
        "function, node and attribute.",
        "Plan the computation with the same release of fedjobs. If an operation is refused, use another one, or ask "
        "the silo to allow it.",
    ),
    ErrorCode.SHARD_FAILED: (
        "A silo cannot load a graph, an operation in it failed, or its result is not what it declares. The message has "
        "the [class](#failures-in-a-silo) of the failure.",
        "Ask the silo's people for the message in its log. Usual causes are the data or the model's shapes.",
    ),
    ErrorCode.KEPT_VALUES_LOST: (
        "A silo no longer has the values that an earlier stage of a computation kept there, for example because its "
        "worker started again.",
        "Nothing: the coordinator runs the computation again from its first stage.",
    ),
    ErrorCode.COHORT_TOO_SMALL: (
        "Fewer than `spec.cohort.minSilos` silos are left that can take part and contribute at least one client.",
        "See why the other silos declined, refused or failed. Lower `minSilos` if fewer silos are enough.",
    ),
    ErrorCode.VERSION_MISMATCH: (
        "Silo and coordinator have no version of the protocol or of the shard format in common. The message lists the "
        "versions of both.",
        "Upgrade fedjobs on the older side.",
    ),
    ErrorCode.NOT_INVITED: (
        "The silo is not invited to the job.",
        "Add it to `spec.silos`, or stop its worker.",
    ),
    ErrorCode.INVALID_CERTIFICATE: (
        "The certificate is for another run, is not that of a silo, or cannot be read.",
        "Give the worker the certificate that was issued to this silo for this job.",
    ),
    ErrorCode.CERTIFICATE_EXPIRED: (
        "The certificate of a silo or a worker has expired, because its clock is wrong or it could not connect to the "
        "hub.",
        "Nothing at first: it is renewed. If it happens again, check the clocks of both sides and the hub.",
    ),
    ErrorCode.INVALID_CERTIFICATE_REQUEST: (
        "A certificate signing request cannot be read, is too long, or is not for an EC P-256 key.",
        "Install the same release of fedjobs on both sides.",
    ),
    ErrorCode.INVALID_TOKEN: (
        "A token is damaged, forged or expired, or another key has used it.",
        "Ask the federation for a new invitation.",
    ),
    ErrorCode.SILO_SUSPENDED: (
        "The federation suspended the silo.",
        "Ask the federation. The silo continues by itself when the suspension ends.",
    ),
    ErrorCode.SILO_NOT_FOUND: (
        "The silo is not part of the federation (any more), or a newer enrolment has replaced its key.",
        "Ask the federation for a new invitation.",
    ),
    ErrorCode.TOO_MANY_REQUESTS: (
        "The hub received too many requests from unknown callers.",
        "You do not need to act. The request is retried.",
    ),
    ErrorCode.SESSION_NOT_FOUND: (
        "The coordinator restarted and does not know the session any more.",
        "You do not need to act. The worker joins again.",
    ),
    ErrorCode.SESSION_SUPERSEDED: (
        "A newer worker of the same silo has joined.",
        "Run one worker for each job and silo.",
    ),
    ErrorCode.STALE_COORDINATOR: (
        "The coordinator's generation is lower than one that the silo has seen. It is an old process that should have "
        "exited.",
        "Stop the older coordinator. The worker continues with the newer one.",
    ),
    ErrorCode.BLOB_NOT_FOUND: (
        "A value does not exist any more, or this silo has no access to it.",
        "You do not need to act. The work that needed it has ended.",
    ),
    ErrorCode.BLOB_CORRUPT: (
        "Received data do not have the expected digest, or are malformed.",
        "You do not need to act at first. The transfer is retried. If it happens again, check the disk and the proxy.",
    ),
    ErrorCode.BLOB_OFFSET_MISMATCH: (
        "An upload does not continue where the last one ended.",
        "You do not need to act. The worker asks for the right offset.",
    ),
    ErrorCode.BLOB_TOO_LARGE: (
        "An upload is larger than its value can be according to the plan.",
        "Check that the silo and the coordinator run the same version. If they do, the silo misbehaves.",
    ),
    ErrorCode.WORK_NOT_FOUND: (
        "A report or an upload is for work that was not assigned or has ended.",
        "You do not need to act. The worker drops it.",
    ),
    ErrorCode.REQUEST_MALFORMED: (
        "The bytes of a call are not the message that the call takes.",
        "Install the same release on both sides. Otherwise, something else than fedjobs makes these calls.",
    ),
    ErrorCode.REPORT_MALFORMED: (
        "A silo's accumulators do not have the number, dtypes or shapes of the plan.",
        "The round continues without this silo while `minSilos` is met. Check the version of the silo.",
    ),
    ErrorCode.REPORT_NOT_FINITE: (
        "A silo's accumulators contain NaN or infinity.",
        "The round continues without this silo while `minSilos` is met. Lower the learning rate, or check the silo's "
        "data.",
    ),
    ErrorCode.INVALID_OUTPUT: (
        "`spec.output` cannot be used. For example, the bucket does not exist, the credentials are wrong, or the URL "
        "or the options are invalid.",
        "Correct what the message names, and create the job again. A computed result is still in the coordinator's "
        "storage.",
    ),
    ErrorCode.OUTPUT_UNAVAILABLE: (
        "The storage of `spec.output` is not available or full, or it returned other data than were written.",
        "Nothing at first: the export is retried. On a cluster, it is retried without limit and with increasing "
        "delays. Nothing is computed again.",
    ),
    ErrorCode.AUTHORITY_MISSING: (
        "The Secret with the keys of the federation's authority was deleted, or holds no complete authority. The hub "
        "stops.",
        "Restore the Secret from a backup, or start anew with a new authority and invite all silos again: see [the "
        "authority](hub.md#when-the-authority-was-deleted).",
    ),
    ErrorCode.FEDERATION_EXISTS: (
        "The cluster belongs to the federation of another release of the operator's chart. This release does not run.",
        "Uninstall one of the two releases. A cluster has one federation.",
    ),
    ErrorCode.START_TIMED_OUT: (
        "A coordinator imported no module for 10 minutes, and its program had not started.",
        "Nothing at first: it is restarted, as after a crash. If it happens again, give it more CPU or a faster disk, "
        "or find the module that waits: the stack traces are in its log.",
    ),
    ErrorCode.DISK_FULL: (
        "The disk of the coordinator or the silo is full.",
        "Free some space. The work is retried.",
    ),
    ErrorCode.ALREADY_RUNNING: (
        "Another coordinator uses the same folder.",
        "Wait until it ends, or stop it: `fedjobs ps` names its process.",
    ),
    ErrorCode.UNAVAILABLE: (
        "The other side is not available, or a folder cannot be used.",
        "You do not need to act. It is retried as long as the job exists.",
    ),
    ErrorCode.INTERNAL: (
        "A defect of fedjobs, or an error of a newer version.",
        "Report it with the log that `--debug` writes.",
    ),
}


def table() -> str:
    """Returns the table of all codes."""
    lines = ["| code | when | what to do | retried | gRPC status |", "|---|---|---|---|---|"]
    for code in ErrorCode:
        when, remedy = MEANINGS[code]
        again = "yes" if code.retryable else "no"
        lines.append(f"| `{code.label}` | {when} | {remedy} | {again} | `{code.status.name}` |")
    return "\n".join(lines)
