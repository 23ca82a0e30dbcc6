"""What TFF's library and the built-in programs plan passes, and runs from the rebuilt bytes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tensorflow_federated as tff
from fedjobs_common.errors import FedjobsError
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.plans import Stage
from fedjobs_compute.shards import LoadedShard
from fedjobs_verifier import verify

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]


@pytest.mark.parametrize("group", ["library", "of_tests", "learning", "programs", "aggregators"])
def test_shards_that_are_planned_pass_under_the_default_policy(group: str) -> None:
    from tests.verifier import real_computations

    planned = 0
    for name, build in getattr(real_computations, group)():
        for stage in _stages(build()):
            verified = verify(stage.shard)
            assert verified.serialized == stage.shard, name
            LoadedShard(verified.serialized)
            planned += 1
    assert planned


def _stages(computation: tff.Computation) -> Sequence[Stage]:
    """Returns the stages of a computation. None if it is of those that are not planned, such as secure sums."""
    try:
        return plan(computation).stages
    except FedjobsError as error:
        if "no silo would run" in error.message:
            raise
        return ()
