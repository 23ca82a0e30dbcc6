"""The error catalogue as a table: codes from the code, and in words when each happens and what to do."""

from __future__ import annotations

from fedjobs_common.errors import ErrorCode

# When each happens, and what to do. A code without a line here is an error of `make lint`.
MEANINGS: dict[ErrorCode, tuple[str, str]] = {
    ErrorCode.INVALID_JOB: (
        "A job's file has a field that is missing, unknown or of a wrong value.",
        "Correct the field that the message names; `fedjobs validate` checks without running.",
    ),
    ErrorCode.INVALID_PROGRAM_PARAMETER: (
        "A parameter under `spec.program.parameters` is not one of the program's, or out of its range.",
        "Correct the path that the message names; the [programs' parameters](job.md#parameters) are listed.",
    ),
    ErrorCode.INVALID_SILO_FILE: (
        "A silo's own file has a field that is missing, unknown or of a wrong value.",
        "Correct the field that the message names; see [Write a silo's file](silo-file.md).",
    ),
    ErrorCode.UNKNOWN_PROGRAM: (
        "`spec.program.name` is not in the built-in library.",
        "Take one of those that the message lists.",
    ),
    ErrorCode.PORT_IN_USE: (
        "The port that the coordinator was told to listen on is taken.",
        "End the other process, or choose another port.",
    ),
    ErrorCode.DATA_NOT_FOUND: (
        "No file matches a dataset's `path`, or the silo has no dataset of that name.",
        "Correct the path in the silo's file; a relative one is relative to that file.",
    ),
    ErrorCode.DATA_MALFORMED: (
        "A record cannot be read as its column's dtype; file, row and column are named.",
        "Correct the record, or the dtype in the silo's file.",
    ),
    ErrorCode.DATA_DOES_NOT_FIT: (
        "The silo's columns, dtypes or shapes are not those that the computation asks for; both are named.",
        "Correct `features` or `label` in the silo's file, or the model's `input` in the job's.",
    ),
    ErrorCode.UNSUPPORTED_COMPUTATION: (
        "The planner cannot cut the computation into stages; the intrinsic and the reason are named.",
        "See [what is planned and what is refused](computations.md).",
    ),
    ErrorCode.PROGRAM_FAILED: (
        "The program at the coordinator raised an error of its own.",
        "Read the message; `--debug` shows the program's stack trace.",
    ),
    ErrorCode.RUNNER_FAILED: (
        "The process that runs TensorFlow in a silo ended, for want of memory for example.",
        "Nothing at first: it is started again and the work is run again. If it goes on, give the silo more memory.",
    ),
    ErrorCode.SHARD_FAILED: (
        "A graph could not be loaded, or an operation in it failed in the silo.",
        "Read the operation's message: the data or the model's shapes are the usual cause.",
    ),
    ErrorCode.COHORT_TOO_SMALL: (
        "Fewer silos than `spec.cohort.minSilos` can still answer, or did within the deadline.",
        "See why the others declined, refused or were lost; lower `minSilos` if fewer are enough.",
    ),
    ErrorCode.VERSION_MISMATCH: (
        "Silo and coordinator share no version of the protocol or of the shard format; both lists are named.",
        "Upgrade the older of the two.",
    ),
    ErrorCode.NOT_INVITED: (
        "The silo is not one of the job's.",
        "Name it in `spec.silos`, or end its worker.",
    ),
    ErrorCode.WRONG_CERTIFICATE: (
        "The certificate is that of another run, not one of a silo's, or cannot be read.",
        "Give the worker the certificate that was issued to this silo for this job.",
    ),
    ErrorCode.CERTIFICATE_EXPIRED: (
        "A silo's or a worker's certificate has ended: its clock, or its way to the hub, kept it from a new one.",
        "Nothing at first: it asks for a new one. If it goes on, look at the clocks of both sides and at the hub.",
    ),
    ErrorCode.CSR_REFUSED: (
        "A certificate signing request cannot be read, is too long, or is not for an EC P-256 key.",
        "Install the same release of fedjobs on both sides.",
    ),
    ErrorCode.TOKEN_REFUSED: (
        "A token is damaged, forged, expired, or was used by another key before.",
        "Ask the federation for a new invitation.",
    ),
    ErrorCode.SILO_SUSPENDED: (
        "The federation has suspended the silo.",
        "Ask the federation; the silo goes on by itself when it is suspended no more.",
    ),
    ErrorCode.SILO_UNKNOWN: (
        "The federation has no such silo (any more), or its key was replaced by a newer enrolment.",
        "Ask the federation for a new invitation.",
    ),
    ErrorCode.TOO_MANY_REQUESTS: (
        "More requests came to the hub than it takes from callers that it does not know yet.",
        "Nothing: it is tried again.",
    ),
    ErrorCode.SESSION_UNKNOWN: (
        "The coordinator was started again and does not know the session any more.",
        "Nothing: the worker joins again.",
    ),
    ErrorCode.SESSION_SUPERSEDED: (
        "A newer worker of the same silo has joined.",
        "Run one worker for each job and silo.",
    ),
    ErrorCode.STALE_COORDINATOR: (
        "A coordinator of a lower epoch than the silo has seen: an old process that should have ended.",
        "End the older coordinator; the worker goes on with the newer one.",
    ),
    ErrorCode.BLOB_NOT_FOUND: (
        "A value is not there any more, or was never this silo's to read.",
        "Nothing: the work that needed it is over.",
    ),
    ErrorCode.BLOB_CORRUPT: (
        "What arrived does not have the digest that it should have, or is no well-formed value.",
        "Nothing: it is sent again. If it goes on, look for a faulty disk or proxy.",
    ),
    ErrorCode.BLOB_OFFSET: (
        "An upload does not begin where the last one ended.",
        "Nothing: the worker asks where to go on.",
    ),
    ErrorCode.BLOB_TOO_LARGE: (
        "An upload is larger than the plan says its value can be.",
        "The silo and the coordinator run different versions, or the silo is not well-behaved.",
    ),
    ErrorCode.WORK_UNKNOWN: (
        "A report or an upload is for work that was not given out, or is over.",
        "Nothing: the worker drops it.",
    ),
    ErrorCode.REPORT_MALFORMED: (
        "A silo's accumulators have another number, dtype or shape than the plan says.",
        "The silo's report is refused and the round goes on while `minSilos` holds; look at that silo's version.",
    ),
    ErrorCode.REPORT_NOT_FINITE: (
        "A silo's accumulators contain NaN or infinity.",
        "The silo's report is refused and the round goes on while `minSilos` holds; lower the learning rate, or look "
        "at that silo's data.",
    ),
    ErrorCode.OUTPUT_REFUSED: (
        "`spec.output` cannot be used: no such bucket, wrong credentials, a URL or options that no file system takes.",
        "Correct what the message names, and apply the job anew; a result that was computed already is still in the "
        "coordinator's storage.",
    ),
    ErrorCode.OUTPUT_FAILED: (
        "The storage of `spec.output` cannot be reached, is full, or gives back something else than was written.",
        "Nothing at first: it is tried again, on a cluster later each time and without end; nothing is computed twice.",
    ),
    ErrorCode.START_TIMED_OUT: (
        "A coordinator imported no further module for 10 minutes, and its program had not started.",
        "Nothing at first: it is started again, as after a crash. If it goes on, give it more CPU or a faster disk, or "
        "look for what a module of the program waits for: the stack traces are in its log.",
    ),
    ErrorCode.DISK_FULL: (
        "The coordinator's or the silo's disk is full.",
        "Free some space: it is tried again.",
    ),
    ErrorCode.ALREADY_RUNNING: (
        "Another coordinator works in the same folder.",
        "Wait for it, or end it: `fedjobs ps` names its process.",
    ),
    ErrorCode.UNAVAILABLE: (
        "The other side cannot be reached, or a folder cannot be used.",
        "Nothing: it is tried again, for as long as the job exists.",
    ),
    ErrorCode.INTERNAL: (
        "A defect of fedjobs, or an error of a newer version.",
        "Please report it with the log that `--debug` writes.",
    ),
}


def table() -> str:
    """The table of all codes."""
    lines = ["| code | when | what to do | tried again | gRPC status |", "|---|---|---|---|---|"]
    for code in ErrorCode:
        when, remedy = MEANINGS[code]
        again = "yes" if code.retryable else "no"
        lines.append(f"| `{code.label}` | {when} | {remedy} | {again} | `{code.status.name}` |")
    return "\n".join(lines)
