"""Jobs that cannot run: what their status says, and which change lets them run."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.cluster.readiness import wait_until
from tests.operator.conftest import a_silo_object
from tests.operator.teams import Team
from tests.operator.test_lives import a_job

pytestmark = [pytest.mark.api_server, pytest.mark.processes, pytest.mark.usefixtures("operator")]


def a_job_with(**parameters: Any) -> dict[str, Any]:
    job = a_job()
    job["spec"]["program"]["parameters"] |= parameters
    return job


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (a_job_with(rounds=-1), ["spec.program.parameters.rounds", "-1"]),
        (a_job_with(client={"learningRat": 0.1}), ["spec.program.parameters.client.learningRat", "learningRate"]),
        (a_job(program={"name": "fedavgg"}), ["spec.program.name", "fedavgg", "fedavg"]),
        (a_job(cohort={"minSilos": 3}), ["spec.cohort.minSilos", "3", "2 silos are invited"]),
    ],
    ids=["a value", "a field", "a program", "a quorum"],
)
def test_a_job_that_cannot_run_is_refused_with_path_and_remedy(
    team: Team, job: dict[str, Any], words: list[str]
) -> None:
    name = team.apply(job)
    found = team.wait_for(name, "Accepted", "False", "InvalidSpec")
    for word in words:
        assert word in found["message"]
    assert team.status(name)["phase"] == "Pending"
    assert team.children(name) == {}
    assert ("Warning", "InvalidSpec") in team.events(name)


def test_corrected_parameters_are_accepted(team: Team) -> None:
    name = team.apply(a_job_with(rounds=-1))
    team.wait_for(name, "Accepted", "False", "InvalidSpec")
    team.edit(name, {"program": {"parameters": {"rounds": 5}}})
    found = team.wait_for(name, "Accepted", reason="Resolved")
    assert found["observedGeneration"] == 2
    team.pod(name)


def test_a_job_waits_for_silos_that_do_not_exist_yet(team: Team) -> None:
    late = f"late-{uuid.uuid4().hex[:8]}"
    name = team.apply(a_job(silos={"names": ["hospital-a", late]}))
    found = team.wait_for(name, "Accepted", "False", "SilosNotFound")
    assert late in found["message"]
    assert "hospital-b" in found["message"]  # one of the existing silos
    team.server.kubectl.apply(a_silo_object(late))
    team.wait_for(name, "Accepted", reason="Resolved")
    team.pod(name)
    team.server.kubectl("delete", "silo", late)


def test_a_job_waits_for_silos_that_offer_its_dataset(team: Team) -> None:
    silo = f"other-{uuid.uuid4().hex[:8]}"
    kubectl = team.server.kubectl
    kubectl.apply(a_silo_object(silo))
    offer(team, silo, "letters")
    name = team.apply(a_job(silos={"names": ["hospital-a", silo]}))
    found = team.wait_for(name, "Accepted", "False", "DatasetNotOffered")
    assert f"do not offer the dataset 'digits': {silo}" in found["message"]
    offer(team, silo, "letters", "digits")
    team.wait_for(name, "Accepted", reason="Resolved")
    kubectl("delete", "silo", silo)


def test_a_suspended_silo_is_not_invited(team: Team) -> None:
    silo = f"suspended-{uuid.uuid4().hex[:8]}"
    kubectl = team.server.kubectl
    kubectl.apply(a_silo_object(silo))
    kubectl("patch", "silo", silo, "--type=merge", "-p", '{"spec": {"suspend": true}}')
    name = team.apply(a_job(silos={"names": [silo]}))
    team.wait_for(name, "Accepted", "False", "SilosNotFound")
    kubectl("patch", "silo", silo, "--type=merge", "-p", '{"spec": {"suspend": false}}')
    team.wait_for(name, "Accepted", reason="Resolved")
    kubectl("delete", "silo", silo)


def test_a_refused_job_can_be_deleted(team: Team) -> None:
    name = team.apply(a_job_with(rounds=-1))
    team.wait_for(name, "Accepted", "False")
    team.delete(name)
    wait_until("the job is deleted", lambda: team.get("federatedjobs", name) is None)


def offer(team: Team, silo: str, *datasets: str) -> None:
    patch = json.dumps({"status": {"datasets": datasets}})
    team.server.kubectl("patch", "silo", silo, "--subresource=status", "--type=merge", "-p", patch)
