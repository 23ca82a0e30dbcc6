"""Events of the cluster that arrive late, in another order, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from fedjobs_api.api_calls import ApiError

from tests.operator.attempts import an_attempt
from tests.operator.builders import a_job
from tests.operator.worlds import KEY, LABELS, World, in_a_world, listening


def test_the_termination_message_of_an_unknown_pod_is_read_once() -> None:
    async def test(world: World) -> None:
        await world.look()
        ended = an_attempt().complete(result="s3://models/digits")
        world.saw_attempt(ended.without_pod())
        assert ended.pod is not None
        world.api.objects["Pod", "late"] = ended.pod | {"metadata": ended.pod["metadata"] | {"labels": LABELS}}
        await world.look()
        assert world.status["result"]["uri"] == "s3://models/digits"
        world.api.calls.clear()
        await world.look()
        assert world.api.called("each", "Pod") == []

    in_a_world(test)


def test_the_termination_message_is_read_if_the_job_ends_before_its_pods_event() -> None:
    async def test(world: World) -> None:
        await listening(world)
        ended = an_attempt().ready().complete(result="s3://models/digits")
        assert ended.pod is not None
        world.saw_attempt(ended.without_pod())
        world.api.objects["Pod", "late"] = ended.pod | {"metadata": ended.pod["metadata"] | {"labels": LABELS}}
        world.api.refused["each", "Pod"] = ApiError(503, "in a moment")
        with pytest.raises(ApiError, match="in a moment"):
            await world.look()
        world.api.refused.clear()
        await world.look()
        assert world.status["result"]["uri"] == "s3://models/digits"

    in_a_world(test)


def test_reconciling_a_deleted_job_does_nothing() -> None:
    async def test(world: World) -> None:
        await listening(world)
        world.objects.saw_job(a_job().body, deleted=True)
        world.reconciler.forget(a_job().body["metadata"]["uid"])
        world.api.calls.clear()
        await world.look()
        assert (world.api.calls, world.followers.report(KEY)) == ([], None)

    in_a_world(test)


def test_a_late_response_does_not_affect_a_successor_of_the_same_name() -> None:
    successor = a_job().with_("metadata.uid", "new")

    async def test(world: World) -> None:
        apply = world.api.apply

        def apply_and_replace(manifest: Any, subresource: str = "") -> dict[str, Any]:
            if manifest["kind"] == "FederatedJob":
                world.objects.saw_job(successor.body, deleted=False)
            return apply(manifest, subresource)

        world.api.apply = apply_and_replace  # type: ignore[method-assign]
        await world.look()
        assert world.objects.job(KEY) == successor.body

    in_a_world(test)


def test_a_job_whose_deletion_had_no_event_is_forgotten() -> None:
    async def test(world: World) -> None:
        world.api.refused["apply", "FederatedJob"] = ApiError(409, "the UID is another one")
        del world.api.objects["FederatedJob", "digits"]
        await world.look()
        assert world.objects.jobs() == []

    in_a_world(test)


def test_a_job_that_is_deleted_while_its_status_is_written_stays_deleted() -> None:
    async def test(world: World) -> None:
        apply = world.api.apply

        def apply_and_delete(manifest: Any, subresource: str = "") -> dict[str, Any]:
            if manifest["kind"] == "FederatedJob":
                world.objects.saw_job(a_job().body, deleted=True)
            return apply(manifest, subresource)

        world.api.apply = apply_and_delete  # type: ignore[method-assign]
        await world.look()
        assert world.objects.jobs() == []
        assert world.api.called("create", "Event") == []

    in_a_world(test)
