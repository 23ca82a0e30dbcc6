"""A user who can create objects in the namespace of somebody else's job, but cannot write the status of the job.

The user can write all labels and owner references. The API server is in memory.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from fedjobs_api.api_calls import ApiError
from fedjobs_common.jobs.statuses import Phase, SiloState, SiloStatus
from fedjobs_hub.objects import job_invitations
from fedjobs_operator.children import config_maps, network, storage
from fedjobs_operator.planning.acceptance import Accepted, accept

from tests.operator.attempts import an_attempt, at
from tests.operator.builders import HOSPITALS, REF, SETTINGS, AJob, a_job, a_report
from tests.operator.manifests import the_job
from tests.operator.worlds import World, in_a_world, listening

Body = dict[str, Any]
THEIRS = "s3://attacker/model"


def accepted(job: AJob) -> Accepted:
    found = accept(job.body, HOSPITALS, None, SETTINGS.own_namespaces)
    assert isinstance(found, Accepted)
    return found


def reasons(world: World) -> dict[str, str]:
    return {c["type"]: c["reason"] for c in world.status["conditions"]}


def message(world: World) -> str:
    return str({c["type"]: c["message"] for c in world.status["conditions"]}["CoordinatorReady"])


def test_the_name_in_an_invitation_cannot_be_forged() -> None:
    """The job is invalid until the user has read its UID and written the resolved job. Then the user repairs it."""
    job = a_job().with_("spec.requestedBy", "mallory")

    async def test(world: World) -> None:
        await world.look()
        assert reasons(world) == {"Accepted": "InvalidSpec"}
        forged = accepted(job).resolved.model_copy(update={"requested_by": "alice@example.org"})
        world.api.create(config_maps.resolved_config(REF, forged))
        world.saw(job.edited("metadata.generation", 1))
        with pytest.raises(ApiError, match="digits-resolved exists already"):
            await world.look()
        assert "invitation" not in world.status
        assert reasons(world)["CoordinatorReady"] == "NameTaken"
        assert "kubectl delete configmap digits-resolved --namespace team" in message(world)
        del world.api.objects["ConfigMap", "digits-resolved"]
        await listening(world)
        assert world.status["invitation"]["requestedBy"] == "mallory"

    in_a_world(test, job.with_("spec.program.parameters.rounds", -1))


def test_a_replaced_resolution_is_not_read_by_the_next_operator() -> None:
    async def test(world: World) -> None:
        await listening(world)
        config = world.api.objects["ConfigMap", "digits-resolved"]
        forged = accepted(a_job()).resolved.model_copy(update={"requested_by": "alice@example.org"})
        config["data"] = config_maps.resolved_config(REF, forged)["data"]
        world.reconciler.forget(REF.uid)  # as another operator
        with pytest.raises(ApiError, match="digits-resolved exists already"):
            await world.look()
        assert "requestedBy" not in world.status["invitation"]

    in_a_world(test)


def test_a_started_job_does_not_continue_with_another_resolution() -> None:
    """A user has deleted the ConfigMap, and the job was edited since it started."""

    async def test(world: World) -> None:
        await listening(world)
        del world.api.objects["ConfigMap", "digits-resolved"]
        world.reconciler.forget(REF.uid)  # as another operator
        world.saw(a_job().edited("spec.program.parameters.rounds", 99))
        await world.look()
        assert reasons(world)["Accepted"] == "ResolvedJobLost"
        assert ("ConfigMap", "digits-resolved") not in world.api.objects
        world.saw(a_job().edited("metadata.generation", 3))
        await world.look()
        assert reasons(world)["Accepted"] == "Resolved"
        assert ("ConfigMap", "digits-resolved") in world.api.objects

    in_a_world(test)


def a_foreign_job(name: str, attempt: str = "99", namespace: str = "team", uid: str = "theirs") -> Body:
    """Returns a complete Job of the user with the labels and the owner of the operator's Job."""
    job = copy.deepcopy(an_attempt().complete(result=THEIRS).job)
    labels = REF.labels("coordinator") | {"fedjobs.dev/attempt": attempt}
    job["metadata"] |= {"name": name, "namespace": namespace, "uid": uid, "labels": labels, "resourceVersion": "9"}
    return job


def a_foreign_pod(job: str = "theirs", namespace: str = "team") -> Body:
    """Returns a pod that has ended with a false result."""
    pod = copy.deepcopy(an_attempt().complete(result=THEIRS).pod) or {}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "theirs", "uid": job, "controller": True}
    labels = REF.labels("coordinator") | {"fedjobs.dev/attempt": "1"}
    pod["metadata"] |= {"name": "theirs", "namespace": namespace, "uid": "their-pod", "labels": labels}
    return {
        **pod,
        "metadata": pod["metadata"] | {"ownerReferences": [owner], "creationTimestamp": "2027-01-01T00:00:00Z"},
    }


@pytest.mark.parametrize(
    "job",
    [
        a_foreign_job("theirs"),
        a_foreign_job("digits-coordinator-99"),
        a_foreign_job("digits-coordinator-1", "1"),
        a_foreign_job("digits-coordinator-99", namespace="elsewhere"),
        a_foreign_job("digits-coordinator-2", "x"),
        a_foreign_job("theirs", "x"),
    ],
    ids=["another name", "a later attempt", "the same name", "another namespace", "a bad label", "both"],
)
def test_a_job_of_a_user_does_not_complete_the_job_of_another(job: Body) -> None:
    async def test(world: World) -> None:
        await listening(world)
        if job["metadata"]["name"] == "digits-coordinator-1":
            world.objects.saw_child("Job", an_attempt().job, deleted=True)
        world.objects.saw_child("Job", job, deleted=False)
        world.objects.saw_child("Pod", a_foreign_pod(), deleted=False)
        world.now = at(20)
        if job["metadata"]["name"] == "digits-coordinator-1":
            world.api.objects["Job", "digits-coordinator-1"] = job
            with pytest.raises(ApiError, match="digits-coordinator-1 exists already"):
                await world.look()
        else:
            await world.look()
        assert "result" not in world.status
        assert world.status["attempt"] == 1
        assert "Complete" not in reasons(world)

    in_a_world(test)


def test_a_pod_of_a_user_is_not_the_coordinators() -> None:
    async def test(world: World) -> None:
        await listening(world)
        world.objects.saw_child("Pod", a_foreign_pod("another Job"), deleted=False)
        world.saw_attempt(an_attempt().complete(result="s3://models/digits"))
        world.objects.saw_child("Pod", a_foreign_pod("another Job"), deleted=False)
        await world.look()
        assert world.status["result"]["uri"] == "s3://models/digits"
        assert world.status["coordinator"]["podName"] == "digits-coordinator-1-x7k2p"

    in_a_world(test)


def test_a_job_that_waits_for_the_operator_is_not_adopted_if_it_does_something_else() -> None:
    async def test(world: World) -> None:
        job = the_job()
        job["spec"]["template"]["spec"]["initContainers"] = [{"name": "theirs", "image": "theirs"}]
        world.api.create(job)
        world.objects.saw_child("Job", world.api.objects["Job", "digits-coordinator-1"], deleted=False)
        with pytest.raises(ApiError, match="digits-coordinator-1 exists already"):
            await world.look()
        assert reasons(world)["CoordinatorReady"] == "NameTaken"

    in_a_world(test)


def test_a_job_that_an_operator_created_before_it_was_killed_is_recognised_by_its_content() -> None:
    async def test(world: World) -> None:
        world.api.create(the_job())
        await world.look()
        assert world.status["coordinator"]["jobUid"] == "job-1"

    in_a_world(test)


def unowned(body: Body) -> Body:
    body["metadata"].pop("ownerReferences", None)
    return body


def a_claim(**spec: Any) -> Body:
    claim = storage.claim(REF, accepted(a_job()).job)
    claim["spec"] |= spec
    return claim


@pytest.mark.parametrize(
    "theirs",
    [
        lambda: unowned(config_maps.hub_config(REF, "theirs")),
        lambda: unowned(config_maps.resolved_config(REF, accepted(a_job()).resolved)),
        lambda: unowned(the_job()),
        lambda: unowned(network.service(REF)),
        lambda: unowned(network.network_policy(REF)),
        lambda: a_claim(dataSource={"kind": "PersistentVolumeClaim", "name": "theirs"}),
        lambda: {**a_claim(), "metadata": {"name": REF.claim, "namespace": "team"}},
    ],
    ids=["hub", "resolved", "Job", "Service", "NetworkPolicy", "claim with data", "claim"],
)
def test_an_object_of_a_user_is_left_alone_and_reported(theirs: Callable[[], Body]) -> None:
    async def test(world: World) -> None:
        created = copy.deepcopy(world.api.create(theirs()))
        assert created is not None
        kind, name = created["kind"], created["metadata"]["name"]
        if kind in ("Job", "PersistentVolumeClaim"):
            world.objects.saw_child(kind, created, deleted=False)
        with pytest.raises(ApiError, match=f"A {kind} {name} exists already"):
            await world.look()
        assert reasons(world)["CoordinatorReady"] == "NameTaken"
        assert f"kubectl delete {kind.lower()} {name} --namespace team" in message(world)
        assert world.api.objects[kind, name] == created
        del world.api.objects[kind, name]
        await world.look()
        assert reasons(world)["CoordinatorReady"] == "PodStarting"

    in_a_world(test)


def test_a_service_of_a_user_is_not_deleted_with_the_job() -> None:
    async def test(world: World) -> None:
        await listening(world)
        theirs = world.api.objects["Service", REF.service]
        unowned(theirs)
        world.saw_attempt(an_attempt().complete(result="s3://models/digits"))
        await world.look()
        assert world.status["phase"] == "Complete"
        assert world.api.objects["Service", REF.service] is theirs
        assert ("NetworkPolicy", REF.service) not in world.api.objects

    in_a_world(test)


def test_a_program_cannot_invite_silos() -> None:
    """The program runs in the coordinator, and can make it report any silos."""

    async def test(world: World) -> None:
        await listening(world)
        rows = [SiloStatus(name=name, state=SiloState.READY) for name in ("hospital-a", "hospital-b", "bank")]
        await world.hear(a_report(Phase.RUNNING, round=1, silos=rows))
        await world.look()
        body = json.loads(json.dumps(world.api.objects["FederatedJob", "digits"]))
        assert job_invitations.parsed(body).silos == {"hospital-a", "hospital-b"}
        assert [row["name"] for row in world.status["silos"]] == ["hospital-a", "hospital-b"]
        world.saw_attempt(an_attempt().complete(silos=rows))
        await world.look()
        assert [row["name"] for row in world.status["silos"]] == ["hospital-a", "hospital-b"]

    in_a_world(test)
