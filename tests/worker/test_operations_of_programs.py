"""What TFF's learning algorithms need of a silo is on the default allow-list."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow_federated as tff
from fedjobs_compute.planner.planning import plan
from fedjobs_verifier import verify

from tests.worker.learning_models import dense, many_layers

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    "build",
    [
        lambda: (
            tff.learning.algorithms.build_weighted_fed_avg(
                many_layers, client_optimizer_fn=tff.learning.optimizers.build_adam(0.1)
            ).next
        ),
        lambda: (
            tff.learning.algorithms.build_weighted_fed_avg(
                dense,
                client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
                model_aggregator=tff.learning.compression_aggregator(),
            ).next
        ),
        lambda: tff.learning.algorithms.build_fed_eval(dense).next,
        lambda: tff.learning.algorithms.build_fed_kmeans(3, (4,)).next,
    ],
    ids=["layers", "compression", "evaluation", "kmeans"],
)
def test_a_silo_runs_it_without_a_policy_of_its_own(build: Callable[[], tff.Computation]) -> None:
    stages = plan(build()).stages
    assert stages
    for stage in stages:
        assert verify(stage.shard).operations
