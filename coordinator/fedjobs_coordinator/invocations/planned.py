"""Plans of computations with loaded programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from fedjobs_compute.plan_files import SavedPlan
from fedjobs_compute.plans import Stage
from fedjobs_verifier import ALLOWED_OPERATIONS, verify_for_some_silo

from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.aggregation.merging import Merger
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_coordinator.invocations.bindings import Binding, SavedPlanBinding
from fedjobs_coordinator.invocations.server_logic import ServerLogic

if TYPE_CHECKING:
    import tensorflow_federated as tff

_LOG = structlog.get_logger()


class PlannedStage:
    """A stage with loaded programs."""

    def __init__(self, stage: Stage, store: BlobStore) -> None:
        self.stage = stage
        self._merge = ServerLogic(stage.merge, f"{stage.digest}/merge")
        self._report = ServerLogic(stage.report, f"{stage.digest}/report")
        self._zero = ServerLogic(stage.zero, f"{stage.digest}/zero")
        self._merger = Merger(stage.merge_kinds, store)

    def merge(self, reports: Sequence[Report], environment: Mapping[str, Any]) -> list[Any]:
        """Merges the accumulators of reports, in order. Without reports, returns the accumulators of zero clients.

        Raises:
            NotFiniteError: Some silos' accumulators are not finite.
        """
        if not reports:
            return self._zero.results(environment)
        names = (*self.stage.left, *self.stage.right)
        return self._merger.merge(
            reports, lambda a, b: self._merge.results({**environment, **dict(zip(names, (*a, *b), strict=True))})
        )

    def report(self, environment: dict[str, Any], merged: Sequence[Any]) -> None:
        """Adds the results of the aggregations to the environment."""
        inputs = environment | dict(zip(self.stage.left, merged, strict=True))
        environment |= dict(zip(self.stage.report.outputs, self._report.results(inputs), strict=True))


class Planned:
    """A plan with loaded programs.

    Args:
        computation: The computation, or a plan from a file.
        store: Stores large merged values.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION, or SHARD_REFUSED if no silo runs one of the shards.
    """

    def __init__(self, computation: tff.Computation | SavedPlan, store: BlobStore) -> None:
        self.binding = binding = _bound(computation)
        for stage in binding.plan.stages:
            _warn_of_refusals(binding.label, stage)
        self.server_logic = [ServerLogic(p, f"{binding.label}/server") for p in binding.plan.server_logic]
        self.stages = [PlannedStage(stage, store) for stage in binding.plan.stages]


def _warn_of_refusals(label: str, stage: Stage) -> None:
    """Tells the job's owner at once which operations silos refuse by default. A silo's own file may allow them.

    Raises:
        FedjobsError: SHARD_REFUSED if no silo runs the shard.
    """
    others = sorted(verify_for_some_silo(stage.shard).operations - ALLOWED_OPERATIONS)
    if others:
        _LOG.warning(
            "silos refuse this computation unless their files allow its operations", label=label, operations=others
        )


def _bound(computation: tff.Computation | SavedPlan) -> Binding:
    if isinstance(computation, SavedPlan):
        return SavedPlanBinding(computation)
    from fedjobs_coordinator.invocations.computation_bindings import ComputationBinding

    return ComputationBinding(computation)
