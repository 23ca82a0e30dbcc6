"""News of the cluster that come late, in another order, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from fedjobs_api.api_calls import ApiError

from tests.operator.attempts import an_attempt
from tests.operator.builders import a_job
from tests.operator.worlds import KEY, LABELS, World, in_a_world, listening


def test_the_final_word_of_a_pod_that_was_not_seen_yet_is_asked_for_once() -> None:
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


def test_the_final_word_is_asked_for_where_the_job_is_seen_to_end_before_its_pod() -> None:
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


def test_a_job_that_is_gone_is_looked_at_without_harm() -> None:
    async def test(world: World) -> None:
        await listening(world)
        world.objects.saw_job(a_job().body, deleted=True)
        world.reconciler.forget(a_job().body["metadata"]["uid"])
        world.api.calls.clear()
        await world.look()
        assert (world.api.calls, world.followers.report(KEY)) == ([], None)

    in_a_world(test)


def test_a_late_answer_is_not_taken_for_a_successor_of_the_same_name() -> None:
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


def test_a_job_whose_deletion_no_event_told_is_forgotten() -> None:
    async def test(world: World) -> None:
        world.api.refused["apply", "FederatedJob"] = ApiError(409, "the UID is another one")
        del world.api.objects["FederatedJob", "digits"]
        await world.look()
        assert world.objects.jobs() == []

    in_a_world(test)


def test_a_job_that_is_deleted_while_its_status_is_written_stays_gone() -> None:
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
