"""Deletion of running jobs: by a user, with their namespace, and with or without a running operator."""

from __future__ import annotations

import uuid

import pytest
from fedjobs_common.jobs.statuses import FinalWord, Phase

from tests.cluster.readiness import wait_until
from tests.operator.teams import Team
from tests.operator.test_lives import a_job

pytestmark = [pytest.mark.api_server, pytest.mark.processes, pytest.mark.usefixtures("operator")]


def test_deleting_a_running_job_deletes_all_its_objects(team: Team) -> None:
    name = team.apply(a_job())
    team.ready(name)
    ref = team.ref(name)
    team.delete(name)
    wait_until("all objects of the job are deleted", lambda: team.has_nothing_of(name))
    wait_until("its route is deleted", lambda: team.route(ref) is None)
    assert team.get("federatedjobs", name) is None


@pytest.mark.parametrize(
    "spec",
    [{"output": {}, "coordinator": {}}, {"coordinator": {}}, {"coordinator": {"storage": {"whenDeleted": "Retain"}}}],
    ids=["no output", "not exported yet", "Retain"],
)
def test_a_retained_claim_stays(team: Team, spec: dict[str, object]) -> None:
    name = team.apply(a_job(**spec))
    team.ready(name)
    claim = f"persistentvolumeclaims/{team.ref(name).claim}"
    team.delete(name)
    wait_until("all other objects of the job are deleted", lambda: team.has_nothing_of(name, but={claim}))
    assert "deletionTimestamp" not in team.children(name)[claim]["metadata"]


def test_a_new_job_of_the_same_name_gets_its_own_children(team: Team) -> None:
    """The earlier job's objects are deleted meanwhile. The operator must not use them for the new job."""
    name = team.apply(a_job(output={}, coordinator={}))
    team.ready(name)
    earlier, kept = team.ref(name), team.uids(name)
    team.delete(name)
    team.apply(a_job(output={}, coordinator={}))
    team.wait_for(name, "Accepted", reason="Resolved")
    ref = team.ref(name)
    assert ref.uid != earlier.uid
    old_claim = f"persistentvolumeclaims/{earlier.claim}"
    wait_until(
        "the earlier job's objects are deleted",
        lambda: set(kept.values()) & set(team.uids(name).values()) == {kept[old_claim]},
    )
    team.ready(name)
    wait_until("its silos are invited", lambda: team.invites(name))
    assert set(team.uids(name)) - {old_claim} == {
        "configmaps/digits-resolved",
        "jobs/digits-coordinator-1",
        f"networkpolicies/{ref.service}",
        f"persistentvolumeclaims/{ref.claim}",
        "configmaps/digits-hub",
        f"services/{ref.service}",
    }
    assert team.status(name)["restarts"] == 0


def test_a_job_that_has_ended_can_be_run_again_under_its_name(team: Team) -> None:
    name = team.apply(a_job())
    team.end(name, 1, word=FinalWord(phase=Phase.FAILED, code="ProgramFailed", message="No."))
    team.wait_for(name, "Failed")
    team.delete(name)
    team.apply(a_job())
    wait_until("the new job starts", lambda: team.status(name).get("phase") == "Starting")
    team.ready(name)
    assert team.condition(name, "Failed") == {}


def test_deleting_a_namespace_does_not_affect_the_others(team: Team) -> None:
    other = Team(team.server, f"other-{uuid.uuid4().hex[:8]}")
    doomed = other.apply(a_job())
    other.ready(doomed)
    pod = other.pod(doomed)
    team.server.kubectl("delete", "namespace", other.namespace, "--wait=false")
    other.say_of_pod(pod, "Failed", {"terminated": {"exitCode": 143, "reason": "Error"}})
    wait_until("the namespace is deleted", other.is_gone)
    name = team.apply(a_job())
    team.ready(name)
    team.end(name, 137)
    team.pod(name, attempt=2)
