"""What a job occupies in the cluster: storage as long as it has a purpose, and IP addresses while they are used."""

from __future__ import annotations

import pytest
from fedjobs_common.jobs.statuses import FinalWord, Phase

from tests.cluster.readiness import wait_until
from tests.operator.teams import Team
from tests.operator.test_lives import COMPLETE, a_job

pytestmark = [pytest.mark.api_server, pytest.mark.processes, pytest.mark.usefixtures("operator")]


def test_the_claim_becomes_the_jobs_only_when_its_result_is_elsewhere(team: Team) -> None:
    name = team.apply(a_job(coordinator={}))
    team.ready(name)
    claim = team.ref(name).claim
    assert "ownerReferences" not in (team.get("persistentvolumeclaims", claim) or {})["metadata"]
    team.end(name, 0, "Completed", word=COMPLETE)
    team.wait_for(name, "Complete")
    (owner,) = (team.get("persistentvolumeclaims", claim) or {})["metadata"]["ownerReferences"]
    assert owner["name"] == name
    team.delete(name)
    wait_until("all objects of the job are deleted", lambda: team.has_nothing_of(name))


def test_an_ended_or_suspended_job_holds_no_address(team: Team) -> None:
    over, suspended = team.apply(a_job()), team.apply(a_job("another"))
    for name in (over, suspended):
        team.ready(name)
        assert team.list("services", name)
    team.end(over, 0, "Completed", word=COMPLETE)
    team.edit(suspended, {"suspend": True})
    team.wait_for(over, "Complete")
    team.wait_for(suspended, "Suspended")
    for name in (over, suspended):
        assert not team.list("services", name)
        assert not team.list("networkpolicies", name)


def test_a_failed_export_is_retried_and_does_not_count_as_a_crash(team: Team) -> None:
    """The Job itself retries it, after 10 s at first."""
    name = team.apply(a_job(backoffLimit=0))
    team.ready(name)
    first = team.pod(name)
    word = FinalWord(phase=Phase.EXPORTING, round=20, code="OutputUnavailable", message="The bucket is away.")
    team.end(name, 74, word=word)
    found = team.wait_for(name, "CoordinatorReady", "False", "StorageFailed")
    assert found["message"].startswith("The bucket is away.")
    team.wait_for_event(name, "Warning", "StorageFailed")
    wait_until("the Job creates another pod", lambda: len(team.list("pods", name)) == 2, seconds=60)
    (second,) = (p["metadata"]["name"] for p in team.list("pods", name) if p["metadata"]["name"] != first)
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "message": COMPLETE.to_json().decode()}}
    team.say_of_pod(second, "Succeeded", state)
    team.wait_for(name, "Complete")
    assert (team.status(name)["restarts"], len(team.list("jobs", name))) == (0, 1)
