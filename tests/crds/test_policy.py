"""`spec.requestedBy` is absent, or the name of the requesting user."""

from __future__ import annotations

from typing import Any

import pytest
from fedjobs_api.crds.files import FOLDER

from tests.api.jobs import a_job
from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.crds.requests import Jobs, Refused

pytestmark = [pytest.mark.api_server, pytest.mark.usefixtures("policy")]

ALICE, BOB = "alice@example.org", "bob@example.org"


def refused(jobs: Jobs, job: dict[str, Any]) -> bool:
    try:
        jobs.try_to_create(job)
    except Refused:
        return True
    return False


@pytest.fixture
def alice(server: ApiServer, api_namespace: str) -> Jobs:
    """Jobs as Alice, once the server enforces the policy."""
    jobs = Jobs(server.client_as(ALICE, ["system:masters"]), api_namespace)
    wait_until("the policy is in force", lambda: refused(jobs, a_job(requestedBy="nobody")))
    return jobs


@pytest.fixture
def bob(server: ApiServer, alice: Jobs) -> Jobs:
    return Jobs(server.client_as(BOB, ["system:masters"]), alice.namespace)


def test_the_users_own_name_and_no_name_are_accepted(alice: Jobs) -> None:
    assert alice.create(a_job(requestedBy=ALICE))["spec"]["requestedBy"] == ALICE
    alice.try_to_create(a_job() | {"metadata": {"name": "without"}})


def test_the_name_of_another_user_is_refused(bob: Jobs) -> None:
    with pytest.raises(Refused) as caught:
        bob.create(a_job(requestedBy=ALICE))
    said = f"spec.requestedBy is {ALICE}, and you are {BOB}: set your own name, or omit the field"
    assert said in str(caught.value)


def test_another_user_may_change_mutable_fields_but_not_the_name(alice: Jobs, bob: Jobs) -> None:
    alice.create(a_job(requestedBy=ALICE))
    assert bob.change("digits", {"spec": {"suspend": True}})["spec"]["requestedBy"] == ALICE
    for name in (BOB, None):
        with pytest.raises(Refused, match="is immutable"):
            bob.change("digits", {"spec": {"requestedBy": name}})


def test_a_name_cannot_be_added_later(alice: Jobs) -> None:
    alice.create(a_job())
    with pytest.raises(Refused, match="is immutable"):
        alice.change("digits", {"spec": {"requestedBy": ALICE}})


def test_the_operator_may_write_the_status_of_any_users_job(alice: Jobs, bob: Jobs) -> None:
    alice.create(a_job(requestedBy=ALICE))
    assert bob.write_status("digits", {"phase": "Running"})["status"]["phase"] == "Running"


def test_the_servers_type_check_of_the_policys_expressions_succeeds(api_server_with_controllers: ApiServer) -> None:
    kubectl = api_server_with_controllers.kubectl
    kubectl("apply", "-f", str(FOLDER))
    status = ("get", "validatingadmissionpolicy", "requested-by.fedjobs.dev", "-o", "jsonpath={.status}")
    try:
        wait_until("the controller has checked the policy", lambda: "observedGeneration" in kubectl(*status))
        assert "expressionWarnings" not in kubectl(*status)
    finally:
        kubectl("delete", "-f", str(FOLDER / "requested-by-policy.yaml"))
