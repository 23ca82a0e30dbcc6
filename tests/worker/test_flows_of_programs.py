"""The analysis of the data flow finds nothing to warn about in the training and the evaluation of a dense model."""

from __future__ import annotations

import pytest
from fedjobs_compute.planner.planning import plan
from fedjobs_verifier import verify
from fedjobs_worker.consent.graphs.flows import Holds, flows_of

pytestmark = pytest.mark.training


@pytest.mark.parametrize("name", ["fedavg", "fedavg: evaluation", "fedavg, adam"])
def test_sums_over_records_of_a_real_program_get_no_warning(name: str) -> None:
    from tests.verifier import real_computations

    (stage,) = plan(dict(real_computations.programs())[name]()).stages
    flows = flows_of(verify(stage.shard).message)
    assert [flow.warnings for flow in flows] == [()] * len(flows)
    assert all(flow.added_over_clients for flow in flows)
    assert {flow.holds for flow in flows} <= {Holds.SUMS, Holds.NOTHING}
    data = [flow for flow in flows if flow.holds is Holds.SUMS]
    assert data
    for flow in data:
        assert {"x of client input value 0", "y of client input value 0"} & set(flow.sources)
    updates = [flow for leaf, flow in zip(stage.accumulators, flows, strict=True) if leaf.name.startswith("1/")]
    assert all("MatMul" in flow.through for flow in updates)
    assert bool(updates) != name.endswith("evaluation")


def test_a_histogram_of_predictions_is_a_sum_by_group() -> None:
    from tests.verifier import real_computations

    (stage,) = plan(dict(real_computations.programs())["fedavg, binary: evaluation"]()).stages
    flows = flows_of(verify(stage.shard).message)
    auc = [flow for leaf, flow in zip(stage.accumulators, flows, strict=True) if "/auc/" in leaf.name]
    assert auc
    assert all(flow.holds is Holds.GROUPS for flow in auc)
