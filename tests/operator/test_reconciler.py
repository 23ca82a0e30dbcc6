"""One look at a job: the order of calls, status and events."""

from __future__ import annotations

import pytest
from fedjobs_api.api_calls import ApiError

from tests.operator.attempts import an_attempt, at
from tests.operator.builders import a_job, a_report, a_silo_object
from tests.operator.memory_apis import MemoryApi
from tests.operator.worlds import World, in_a_world, listening


def test_objects_are_applied_before_the_status_and_events_come_last() -> None:
    async def test(world: World) -> None:
        await world.look()
        kinds = [kind for _, kind, _ in world.api.calls]
        assert kinds[0] == "ConfigMap"
        assert kinds.index("Job") < kinds.index("FederatedJob") < kinds.index("Event")

    in_a_world(test)


def test_reconciling_an_unchanged_job_makes_no_call() -> None:
    async def test(world: World) -> None:
        await world.look()
        world.saw_attempt(an_attempt())
        await world.look()
        world.api.calls.clear()
        world.now = at(5)
        await world.look()
        assert world.api.calls == []

    in_a_world(test)


def test_no_status_is_written_if_the_api_server_fails() -> None:
    async def test(world: World) -> None:
        world.api.refused["create", "PersistentVolumeClaim"] = ApiError(500, "etcd is away")
        with pytest.raises(ApiError, match="etcd is away"):
            await world.look()
        assert (world.written(), world.api.called("create", "Event")) == (0, [])

    in_a_world(test)


@pytest.mark.parametrize(
    ("kind", "verb"), [("PersistentVolumeClaim", "create"), ("Job", "create"), ("Service", "create")]
)
def test_a_refused_object_is_reported_with_the_servers_message_until_it_is_accepted(kind: str, verb: str) -> None:
    async def test(world: World) -> None:
        world.api.refused[verb, kind] = ApiError(403, "exceeded quota: small")
        for _ in range(2):
            with pytest.raises(ApiError, match="exceeded quota"):
                await world.look()
        (found,) = world.status["conditions"]
        assert (found["type"], found["status"], found["reason"]) == ("CoordinatorReady", "False", "ObjectRejected")
        assert f"rejected the {kind} " in found["message"]
        assert "exceeded quota: small" in found["message"]
        assert (world.written(), len(world.api.called("create", "Event"))) == (1, 1)
        world.api.refused.clear()
        await world.look()
        assert {c["type"]: c["reason"] for c in world.status["conditions"]} == {
            "Accepted": "Resolved",
            "CoordinatorReady": "PodStarting",
        }

    in_a_world(test)


def test_a_refusal_does_not_affect_a_running_coordinator() -> None:
    async def test(world: World) -> None:
        await listening(world)
        before = world.status
        world.api.refused["create", "Service"] = ApiError(403, "exceeded quota")
        world.api.objects = {key: body for key, body in world.api.objects.items() if key[0] != "Service"}
        world.reconciler.forget(a_job().body["metadata"]["uid"])
        with pytest.raises(ApiError):
            await world.look()
        assert world.status == before

    in_a_world(test)


def test_a_quota_that_is_used_up_does_not_affect_what_exists() -> None:
    """The API server checks a quota before it finds that the object exists."""

    async def test(world: World) -> None:
        await listening(world)
        for kind in ("Service", "NetworkPolicy", "ConfigMap", "Job", "PersistentVolumeClaim"):
            world.api.refused["create", kind] = ApiError(403, "exceeded quota")
        world.reconciler.forget(a_job().body["metadata"]["uid"])  # as another operator
        await world.look()

    in_a_world(test)


def test_the_reason_for_a_missing_pod_comes_from_the_jobs_events() -> None:
    async def test(world: World) -> None:
        await world.look()
        world.saw_attempt(an_attempt().without_pod())
        uid = an_attempt().job["metadata"]["uid"]
        event = {
            "metadata": {"namespace": "team"},
            "message": "violates PodSecurity",
            "lastTimestamp": "2026-01-31T12:00:01Z",
        }
        world.api.objects["Event", "why"] = event | {"involvedObject": {"uid": uid}}
        world.now = at(14)
        await world.look()
        assert world.api.called("each", "Event") == []
        world.now = at(15)
        await world.look()
        found = {c["type"]: c for c in world.status["conditions"]}["CoordinatorReady"]
        assert (found["status"], found["reason"]) == ("False", "FailedCreate")
        assert found["message"].endswith("violates PodSecurity")
        world.saw_attempt(an_attempt().ready())
        await world.look()
        assert world.status["conditions"][1]["reason"] == "Listening"

    in_a_world(test)


def test_a_running_job_is_not_reported_as_starting_after_the_operator_restarted() -> None:
    async def test(world: World) -> None:
        await listening(world)
        await world.hear(a_report(round=3))
        await world.look()
        assert world.status["phase"] == "Running"
        other = World(a_job(), world.api)
        other.saw_attempt(an_attempt().ready())
        await other.look()
        assert other.status["phase"] == "Running"
        await other.followers.close()

    in_a_world(test)


def test_a_coordinator_gets_exclusions_for_suspended_and_deleted_silos() -> None:
    async def test(world: World) -> None:
        await listening(world)
        world.objects.saw_silo(a_silo_object("hospital-b", 2, suspended=True), deleted=False)
        await world.look()
        world.objects.saw_silo(a_silo_object("hospital-a", 3), deleted=True)
        await world.look()
        world.objects.saw_silo(a_silo_object("hospital-a", 4), deleted=False)
        world.objects.saw_silo(a_silo_object("hospital-b", 5), deleted=False)
        await world.look()
        assert world.excluded == [[], ["hospital-b"], ["hospital-a", "hospital-b"], []]

    in_a_world(test)


def test_a_status_that_could_not_be_written_has_no_event() -> None:
    async def test(world: World) -> None:
        world.api.refused["apply", "FederatedJob"] = ApiError(500, "etcd is away")
        with pytest.raises(ApiError, match="etcd"):
            await world.look()
        assert world.api.called("create", "Event") == []
        world.api.refused.clear()
        await world.look()
        assert world.api.called("create", "Event") != []

    in_a_world(test)


def test_progress_is_written_at_a_limited_rate() -> None:
    async def test(world: World) -> None:
        await listening(world)
        await world.hear(a_report(round=1))
        await world.look()  # the phase has changed, which is written immediately
        before = world.written()
        world.later.clear()
        await world.hear(a_report(round=2))
        world.now = at(10.5)
        await world.look()
        assert (world.written(), world.later) == (before, [1.5])
        world.now = at(12)
        await world.look()
        assert (world.written(), world.status["completedRounds"]) == (before + 1, 2)

    in_a_world(test)


def test_a_coordinators_last_report_is_in_the_last_status() -> None:
    """It came too soon after another report to be written separately, and the pod has ended since."""

    async def test(world: World) -> None:
        await listening(world)
        await world.hear(a_report(round=1, metrics={"loss": 0.5}))
        await world.look()
        await world.hear(a_report(round=2, metrics={"loss": 0.25}))
        world.saw_attempt(an_attempt().exited(0, "Completed"))
        await world.look()
        world.saw_attempt(an_attempt().complete(round=2))
        await world.look()
        assert (world.status["phase"], world.status["metrics"]) == ("Complete", {"loss": "0.25"})

    in_a_world(test)


def test_a_restarted_operator_reads_the_resolved_job() -> None:
    async def first(world: World) -> None:
        await world.look()

    async def second(world: World) -> None:
        world.api.calls.clear()
        world.saw(a_job().edited("spec.program.parameters.rounds", 99))
        world.saw_attempt(an_attempt())
        await world.look()
        assert world.api.called("get", "ConfigMap") == ["digits-resolved", "digits-hub"]
        assert world.api.called("create", "Job") == []
        assert [c["type"] for c in world.status["conditions"] if c["status"] == "True"] == ["Accepted", "SpecChanged"]

    api = MemoryApi()
    in_a_world(first, api=api)
    in_a_world(second, api=api)


@pytest.mark.parametrize("edited", [False, True])
def test_what_an_operator_stored_before_it_was_killed_counts_if_it_is_the_same(edited: bool) -> None:
    """The operator was killed before it wrote the status. If the job was edited since, a user could have stored it."""

    async def first(world: World) -> None:
        world.api.refused["create", "PersistentVolumeClaim"] = ApiError(500, "killed here")
        with pytest.raises(ApiError):
            await world.look()

    async def second(world: World) -> None:
        world.api.refused.clear()
        if edited:
            with pytest.raises(ApiError, match="exists already"):
                await world.look()
            assert [c["reason"] for c in world.status["conditions"]] == ["NameTaken"]
            del world.api.objects["ConfigMap", "digits-resolved"]  # the remedy of the message
        await world.look()
        assert world.status["conditions"][0]["reason"] == "Resolved"
        assert world.api.objects["Job", "digits-coordinator-1"]["metadata"]["uid"] == "job-1"

    api = MemoryApi()
    in_a_world(first, api=api)
    in_a_world(second, a_job().edited("spec.program.parameters.rounds", 99) if edited else a_job(), api)


def test_an_event_that_cannot_be_created_does_not_affect_other_events() -> None:
    async def test(world: World) -> None:
        world.api.refused["create", "Event"] = ApiError(403, "exceeded quota")
        await listening(world)
        assert len(world.api.called("create", "Event")) > 1
        assert world.status["conditions"][1]["reason"] == "Listening"

    in_a_world(test)


def test_a_job_that_has_ended_needs_no_further_call() -> None:
    async def test(world: World) -> None:
        await listening(world)
        world.saw_attempt(an_attempt().complete(result="s3://models/digits"))
        await world.look()
        assert world.status["phase"] == "Complete"
        world.api.calls.clear()
        await world.look()
        assert world.api.calls == []

    in_a_world(test)
