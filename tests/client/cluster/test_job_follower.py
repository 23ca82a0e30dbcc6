from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fedjobs import tables
from fedjobs.cluster import job_follower
from fedjobs.cluster.api_errors import ApiError
from fedjobs.cluster.job_follower import Deleted, Seen, Unreachable, follow
from fedjobs.cluster.job_watch import Quiet, watch
from fedjobs_common.errors import ErrorCode
from fedjobs_common.jobs.statuses import PhaseEvent, ProgressEvent

from tests.client.cluster.jobs_on_a_cluster import AJob


def error(status: int) -> ApiError:
    return ApiError(ErrorCode.UNAVAILABLE, "It does not answer.", status=status)


class Script:
    """A fake API server. Each call returns the next entry of its list."""

    def __init__(self, gets: list[Any], watches: list[Any]) -> None:
        self._gets, self._watches = iter(gets), iter(watches)

    def get(self, name: str) -> Any:
        answer = next(self._gets)
        if isinstance(answer, ApiError):
            raise answer
        return answer.body

    def changes(self, job: Any) -> Iterator[tuple[str, Any]]:
        for answer in next(self._watches):
            if isinstance(answer, ApiError):
                raise answer
            yield answer if isinstance(answer, tuple) else ("MODIFIED", answer.body)


class RecordingDisplay(Quiet):
    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []

    def event(self, event: ProgressEvent) -> None:
        self.events.append(event)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_follower.time, "sleep", lambda seconds: None)


RUNNING, LATER = AJob().running(round=1), AJob().running(round=1).running(round=2)
COMPLETE = LATER.complete()


def test_every_state_is_seen_once() -> None:
    jobs = Script([RUNNING, LATER, error(404)], [[], [("DELETED", LATER.body)]])
    assert list(follow(jobs, "digits")) == [Seen(RUNNING.body), Seen(LATER.body), Deleted()]


def test_a_watch_that_ends_is_restarted_silently() -> None:
    jobs = Script([RUNNING, RUNNING, RUNNING, error(404)], [[], [], [LATER]])
    assert list(follow(jobs, "digits")) == [Seen(RUNNING.body), Seen(LATER.body), Deleted()]


def test_an_unavailable_api_server_is_retried() -> None:
    jobs = Script([RUNNING, error(503), LATER, error(404)], [[error(0)], [], [], []])
    found = list(follow(jobs, "digits"))
    assert [type(event) for event in found[:3]] == [Seen, Unreachable, Unreachable]
    assert found[-2:] == [Seen(LATER.body), Deleted()]


def test_an_expired_resource_version_loses_no_state() -> None:
    jobs = Script([RUNNING], [[error(410)], [LATER, ("DELETED", LATER.body)]])
    assert list(follow(jobs, "digits")) == [Seen(RUNNING.body), Seen(LATER.body), Deleted()]


def test_a_job_of_the_same_name_is_another_job() -> None:
    other = AJob()
    other.body["metadata"]["uid"] = "another"
    assert list(follow(Script([RUNNING, other], [[]]), "digits")) == [Seen(RUNNING.body), Deleted()]


def test_a_permanent_error_is_raised() -> None:
    with pytest.raises(ApiError):
        list(follow(Script([RUNNING], [[error(403)]]), "digits"))


def test_watching_ends_with_the_jobs_outcome() -> None:
    assert watch(Script([RUNNING], [[LATER, COMPLETE]]), "digits", Quiet()) == (0, "The job digits is complete.")
    failed = RUNNING.failed("BackoffLimitExceeded", "four crashes")
    code, message = watch(Script([RUNNING], [[failed]]), "digits", Quiet())
    assert (code, message) == (1, "The job digits failed (BackoffLimitExceeded): four crashes")
    assert watch(Script([RUNNING], [[("DELETED", RUNNING.body)]]), "digits", Quiet())[0] == 1


def test_an_outage_and_its_end_are_reported_once() -> None:
    view = RecordingDisplay()
    assert watch(Script([RUNNING, error(0)], [[error(0)], [], [COMPLETE]]), "digits", view)[0] == 0
    said = [event.message for event in view.events if isinstance(event, PhaseEvent)]
    assert said[1:3] == ["It does not answer. Retrying.", "The API server answers again."]


def test_rounds_of_a_cluster_have_no_bytes_or_times() -> None:
    view = RecordingDisplay()
    watch(Script([RUNNING], [[LATER, COMPLETE]]), "digits", view)
    shown = [tables.line(event, 20, transfers=False) for event in view.events]
    assert any(line.endswith("round 2/20") for line in shown)
    assert not any("down" in line for line in shown)
