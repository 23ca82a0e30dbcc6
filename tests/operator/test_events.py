"""The operator creates one event for each changed condition, after it has written the status."""

from __future__ import annotations

import pytest
from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.conditions import Verdict
from fedjobs_operator.planning.events import Announcement, announcements, event

from tests.operator.attempts import NOON, at
from tests.operator.builders import REF

NEW = FederatedJobStatus()


def with_(kind: JobCondition, verdict: Verdict, before: FederatedJobStatus = NEW) -> FederatedJobStatus:
    return FederatedJobStatus(conditions=conditions.carried_on(before, {kind: verdict}, 1, NOON))


@pytest.mark.parametrize(
    ("kind", "verdict", "is_warning"),
    [
        (JobCondition.ACCEPTED, Verdict(True, Reason.RESOLVED, "By a, b."), False),
        (JobCondition.ACCEPTED, Verdict(False, Reason.INVALID_SPEC, "Wrong."), True),
        (JobCondition.COORDINATOR_READY, Verdict(False, Reason.OUT_OF_MEMORY, "More."), True),
        (JobCondition.COORDINATOR_READY, Verdict(True, Reason.LISTENING, "It listens."), False),
        (JobCondition.QUORUM_REACHED, Verdict(False, Reason.WAITING_FOR_SILOS, "b is missing."), False),
        (JobCondition.FAILED, Verdict(True, "UnsupportedComputation", "No silo can read it."), True),
        (JobCondition.NODE_LOST, Verdict(True, Reason.NODE_UNREACHABLE, "Taint it."), True),
        (JobCondition.NODE_LOST, Verdict(False, Reason.LISTENING, "It is back."), False),
        (JobCondition.COMPLETE, Verdict(True, Reason.RESULT_EXPORTED, "It is there."), False),
    ],
)
def test_a_changed_condition_has_an_event(kind: JobCondition, verdict: Verdict, is_warning: bool) -> None:
    told = announcements(NEW, with_(kind, verdict))
    assert told == [Announcement(is_warning, verdict.reason, f"{kind}: {verdict.message}")]


def test_an_unchanged_condition_has_no_new_event() -> None:
    before = with_(JobCondition.ACCEPTED, Verdict(True, Reason.RESOLVED, "By a."))
    assert announcements(before, with_(JobCondition.ACCEPTED, Verdict(True, Reason.RESOLVED, "By a, b."), before)) == []


def test_a_new_reason_has_an_event() -> None:
    before = with_(JobCondition.COORDINATOR_READY, Verdict(False, Reason.CRASHED))
    after = with_(JobCondition.COORDINATOR_READY, Verdict(False, Reason.OUT_OF_MEMORY, "More."), before)
    assert [told.reason for told in announcements(before, after)] == [Reason.OUT_OF_MEMORY]


@pytest.mark.parametrize("reason", [Reason.POD_STARTING, Reason.JOB_FINISHED])
def test_expected_reasons_have_no_event(reason: Reason) -> None:
    assert announcements(NEW, with_(JobCondition.COORDINATOR_READY, Verdict(False, reason))) == []


def test_an_event_is_about_the_job() -> None:
    told = event(REF, Announcement(True, "OOMKilled", "CoordinatorReady: More."), at(1), "a1")
    assert told["involvedObject"] == {
        "apiVersion": "fedjobs.dev/v1alpha1",
        "kind": "FederatedJob",
        "name": "digits",
        "namespace": "team",
        "uid": REF.uid,
    }
    assert (told["type"], told["reason"], told["firstTimestamp"]) == ("Warning", "OOMKilled", "2026-01-31T12:00:01Z")
    assert told["metadata"]["namespace"] == "team"


def test_two_events_have_different_names() -> None:
    names = [event(REF, Announcement(False, "A", "a"), NOON, suffix)["metadata"]["name"] for suffix in ("a1", "b2")]
    assert names == ["digits.a1", "digits.b2"]
