"""Checks a silo's report, and converts it to the outcome of its work."""

from __future__ import annotations

from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_coordinator.aggregation.accumulators import check_accumulators
from fedjobs_coordinator.aggregation.outcomes import Failure, Outcome, Report
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.refusals import retry_of_code, retry_of_rule
from fedjobs_coordinator.sessions.untrusted_text import sanitize

_MOST_CLIENTS = (1 << 31) - 1  # clients of a silo; readers of statuses have smaller integers than the wire format


def outcome_of(assignment: Assignment, report: pb.Report, reports: ReportStore) -> Outcome:
    """Returns the outcome of a work item.

    Args:
        assignment: The work.
        report: The silo's report.
        reports: The store of accumulators.

    Raises:
        FedjobsError: REPORT_MALFORMED, REPORT_NOT_FINITE, BLOB_NOT_FOUND.
    """
    if report.HasField("refusal"):
        rule = sanitize(report.refusal.rule)
        return Failure(rule, sanitize(report.refusal.message), retry_of_rule(rule))
    if report.HasField("failure"):
        code, message = sanitize(report.failure.code), sanitize(report.failure.message)
        return Failure(code, message, retry_of_code(code))
    result = report.result
    if not report.HasField("result") or result.clients > _MOST_CLIENTS:
        what = f"of {result.clients} clients" if report.HasField("result") else "without an outcome"
        raise FedjobsError(
            ErrorCode.REPORT_MALFORMED,
            f"Silo {assignment.silo} sent a report {what}.",
            "Install the same release of fedjobs at the silo and at the coordinator.",
        )
    given = assignment.work.clients
    if given.HasField("given") and result.clients != given.given:
        raise FedjobsError(
            ErrorCode.REPORT_MALFORMED,
            f"Silo {assignment.silo} sent a report for {result.clients} clients, but its work is for {given.given}.",
            "Install the same release of fedjobs at the silo and at the coordinator.",
        )
    digest, path = _accumulators(assignment, result.accumulators, reports) if result.clients else (Digest(""), None)
    return Report(
        silo=assignment.silo,
        clients=result.clients,
        device=sanitize(result.device),
        digest=digest,
        path=path,
    )


def _accumulators(assignment: Assignment, blob: pb.Blob, reports: ReportStore) -> tuple[Digest, Path]:
    """Returns the digest and the file of the accumulators, after checking their completeness and types."""
    if blob.HasField("inline"):
        check_accumulators(assignment.silo, assignment.accumulators, blob.inline)
        return digests.digest(blob.inline), reports.write_inline(assignment.work_id, blob.inline)
    digest = digests.named(blob.digest)
    path = reports.take_upload(assignment.work_id, digest)
    if path is None:
        raise FedjobsError(
            ErrorCode.BLOB_NOT_FOUND,
            f"Silo {assignment.silo} reports accumulators that it has not uploaded.",
            "Upload them before the report.",
        )
    try:
        with path.open("rb") as file:
            check_accumulators(assignment.silo, assignment.accumulators, file.fileno())
    except FedjobsError:
        path.unlink()
        raise
    return digest, path
