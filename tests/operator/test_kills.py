"""Operators that are killed, that run twice, that do not run, and that have permissions in some namespaces only."""

from __future__ import annotations

import json

import pytest
from fedjobs_common.jobs.statuses import FinalWord, Phase

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.operator.charted_rights import granted, user
from tests.operator.conftest import Started
from tests.operator.teams import Team
from tests.operator.test_lives import COMPLETE, a_job

pytestmark = [pytest.mark.api_server, pytest.mark.processes]


def attempts(team: Team, name: str) -> list[str]:
    return [job["metadata"]["name"] for job in team.list("jobs", name)]


def wait_until_processed(team: Team) -> None:
    """Waits until a new operator has processed all older objects: it accepts another job."""
    team.wait_for(team.apply(a_job("another")), "Accepted")


def test_an_operator_that_is_killed_and_started_again_changes_nothing(team: Team, started: Started) -> None:
    name = team.apply(a_job())
    operator = started()
    team.ready(name)
    wait_until("the silos are invited", lambda: team.invites(name))
    children, status = team.uids(name), team.status(name)
    operator.kill()
    started()
    wait_until_processed(team)
    assert (team.uids(name), team.status(name)) == (children, status)


@pytest.mark.parametrize(
    "reached",
    ["configmaps/digits-resolved", "configmaps/digits-hub", "persistentvolumeclaims/", "jobs/digits-coordinator-1"],
)
def test_the_next_operator_continues_where_one_was_killed(team: Team, started: Started, reached: str) -> None:
    operator = started()
    operator.wait_until_live()
    name = team.apply(a_job())
    wait_until(
        "the operator has created the first objects",
        lambda: any(child.startswith(reached) for child in team.children(name)),
    )
    operator.kill()
    children = team.uids(name)
    started()
    team.wait_for(name, "Accepted", reason="Resolved")
    team.ready(name)
    wait_until("the silos are invited", lambda: team.invites(name))
    assert children.items() <= team.uids(name).items()
    assert (attempts(team, name), team.status(name)["restarts"]) == (["digits-coordinator-1"], 0)


def test_a_resolution_that_no_status_records_is_not_adopted_if_the_job_was_edited(team: Team, started: Started) -> None:
    """The operator was killed after it had stored the resolved job, and before anything else.

    A user could have stored it, too.
    """
    operator = started()
    operator.wait_until_live()
    name = team.apply(a_job())
    wait_until("the operator has stored the resolved job", lambda: "configmaps/digits-resolved" in team.children(name))
    operator.kill()
    # As if the operator had been killed before it wrote the status, and before it created the coordinator's Job.
    team.call("PATCH", "federatedjobs", f"{name}/status", {"status": None})
    for job in attempts(team, name):
        team.call("DELETE", "jobs", job, {"propagationPolicy": "Foreground"})
    wait_until("no Job is left", lambda: not attempts(team, name))
    team.edit(name, {"program": {"parameters": {"rounds": 99}}})
    started()
    team.wait_for(name, "CoordinatorReady", "False", "NameTaken")
    team.call("DELETE", "configmaps", "digits-resolved")
    team.ready(name)
    config = team.get("configmaps", "digits-resolved") or {}
    assert json.loads(config["data"]["job.json"])["program"]["parameters"]["rounds"] == 99


def test_a_crash_without_an_operator_is_followed_by_one_attempt(team: Team, started: Started) -> None:
    operator = started()
    name = team.apply(a_job())
    team.ready(name)
    operator.kill()
    team.end(name, 137)
    wait_until("the Job has failed", lambda: has_ended(team, "digits-coordinator-1"))
    started()
    team.ready(name, attempt=2)
    assert team.status(name)["restarts"] == 1
    assert sorted(attempts(team, name)) == ["digits-coordinator-1", "digits-coordinator-2"]


def test_an_operator_that_is_killed_between_two_attempts_creates_no_third(team: Team, started: Started) -> None:
    operator = started()
    name = team.apply(a_job())
    team.ready(name)
    team.end(name, 137)
    wait_until("attempt 2 exists", lambda: "digits-coordinator-2" in attempts(team, name))
    operator.kill()
    started()
    team.ready(name, attempt=2)
    wait_until_processed(team)
    assert sorted(attempts(team, name)) == ["digits-coordinator-1", "digits-coordinator-2"]
    assert team.status(name)["restarts"] == 1


def test_the_next_operator_reports_a_job_that_ended_without_an_operator(team: Team, started: Started) -> None:
    operator = started()
    name = team.apply(a_job())
    team.ready(name)
    wait_until("the silos are invited", lambda: team.invites(name))
    operator.kill()
    team.end(name, 0, "Completed", word=COMPLETE)
    started()
    team.wait_for(name, "Complete")
    assert team.status(name)["result"]["uri"] == "s3://models/digits"
    assert "invitation" not in team.status(name)
    assert team.routed_to(name) is None


def test_two_operators_at_the_same_time_do_no_harm(team: Team, started: Started) -> None:
    for operator in (started(), started()):
        operator.wait_until_live()
    names = [team.apply(a_job(f"job-{number}")) for number in range(3)]
    for name in names:
        team.ready(name)
    children = {name: team.uids(name) for name in names}
    for name in names:
        team.end(name, 137)
    for name in names:
        team.ready(name, attempt=2)
        assert sorted(attempts(team, name)) == [f"{name}-coordinator-1", f"{name}-coordinator-2"]
        assert children[name].items() <= team.uids(name).items()
    for name in names:
        team.end(name, 0, "Completed", attempt=2, word=COMPLETE)
        team.wait_for(name, "Complete")
        assert team.status(name)["restarts"] == 1


def test_deleting_a_job_without_an_operator_does_not_hang(team: Team, started: Started) -> None:
    operator = started()
    name = team.apply(a_job())
    team.ready(name)
    assert operator.stop() == 0
    ref = team.ref(name)
    team.delete(name)
    wait_until("all objects of the job are deleted", lambda: team.has_nothing_of(name))
    assert team.get("federatedjobs", name) is None
    assert team.route(ref) is not None  # the route is in another namespace, so only an operator can delete it
    started()
    wait_until("the operator deletes the route", lambda: team.route(ref) is None, seconds=90)


def test_an_operator_works_in_its_namespaces_only(server: ApiServer, team: Team, started: Started) -> None:
    """It has the chart's permissions in its namespace, and none in others."""
    ours, theirs = team, Team(server, f"{team.namespace}-theirs")
    rights = granted(server, f"watchNamespaces={{{ours.namespace}}}", release="limited")
    started("--watch-namespace", ours.namespace, kubeconfig=rights)
    not_ours = theirs.apply(a_job())
    name = ours.apply(a_job())
    ours.ready(name)
    ours.end(name, 1, word=FinalWord(phase=Phase.FAILED, code="ProgramFailed", message="No."))
    ours.wait_for(name, "Failed", reason="ProgramFailed")
    assert (theirs.status(not_ours), theirs.children(not_ours)) == ({}, {})


def test_the_chart_gives_the_operator_every_permission_that_it_uses(
    server: ApiServer, team: Team, started: Started
) -> None:
    operator = started()
    name = team.apply(a_job(coordinator={}, ttlSecondsAfterFinished=0))
    team.ready(name)
    team.end(name, 137)
    team.ready(name, attempt=2)
    team.edit(name, {"suspend": True})
    team.wait_for(name, "Suspended")
    operator.kill()
    started()
    team.edit(name, {"suspend": False})
    team.ready(name, attempt=2)
    team.end(name, 0, "Completed", attempt=2, word=COMPLETE)
    wait_until("the job is deleted", lambda: team.get("federatedjobs", name) is None)
    assert refused_calls(server) == []


def has_ended(team: Team, job: str) -> bool:
    conditions = (team.get("jobs", job) or {}).get("status", {}).get("conditions", ())
    return any(condition["type"] in ("Complete", "Failed") for condition in conditions)


def refused_calls(server: ApiServer) -> list[str]:
    """Returns the calls that the API server refused to the operator, by the audit log."""
    entries = [json.loads(line) for line in server.audit_log.read_text().splitlines() if line.endswith("}")]
    ours = [entry for entry in entries if entry["user"]["username"] == user()]
    return [
        f"{entry['verb']} {entry['requestURI']}"
        for entry in ours
        if entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    ]
