"""Runs invocations of computations over the silos, from the first server logic to the result."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_compute.plan_files import SavedPlan

from fedjobs_coordinator.invocations import single_silo_results
from fedjobs_coordinator.invocations.invocation import Completed, Invocation
from fedjobs_coordinator.invocations.planned import Planned, Rules
from fedjobs_coordinator.invocations.silos import Silos

if TYPE_CHECKING:
    import tensorflow_federated as tff

_PLANS_KEPT = 64
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Result:
    """The result of an invocation.

    Attributes:
        value: The result of a computation in TFF's containers, or of a plan from a file as a dictionary of arrays.
        silos: The silos whose accumulators are in the result.
        by_silo: The result of each silo alone, if they were asked for. Silos whose policies do not allow that are
            missing.
    """

    value: Any
    silos: tuple[SiloName, ...]
    by_silo: Mapping[str, Any]


class Invocations:
    """Runs computations and plans from files, one at a time.

    The first computation imports TFF.

    Args:
        silos: The silos of the job.
        durable_at_once: Whether reports are dropped at the end of each invocation, because no state is saved.
        rules: How computations are planned and merged. The default is that of jobs.

    Attributes:
        merged_silos: The silos whose accumulators are in the result of the last invocation that had a stage.
    """

    def __init__(self, silos: Silos, *, durable_at_once: bool = False, rules: Rules | None = None) -> None:
        self.merged_silos: tuple[SiloName, ...] = ()
        self._silos = silos
        self._rules = rules or Rules()
        self._durable_at_once = durable_at_once
        self._version = 0
        self._lock = threading.Lock()
        self._planned: dict[int, tuple[object, Planned]] = {}

    def run(self, computation: tff.Computation | SavedPlan, argument: Any) -> Result:
        """Runs a computation. Its binding documents the possible arguments.

        Raises:
            FedjobsError: UNSUPPORTED_COMPUTATION, COHORT_TOO_SMALL or PROGRAM_FAILED.
            SuspendedError: The coordinator was told to stop.
        """
        with self._lock:
            planned = self._plan(computation)
            completed = self._completed(planned, argument)
            return Result(planned.binding.result(completed.environment), completed.silos, {})

    def run_with_silos(self, computation: tff.Computation | SavedPlan, argument: Any) -> Result:
        """Runs a computation like `run`. The result also has a separate result for each silo.

        Raises:
            FedjobsError: See `run`. UNSUPPORTED_COMPUTATION if the computation does not have exactly one stage.
        """
        with self._lock:
            planned = self._plan(computation)
            if len(planned.stages) != 1:
                raise FedjobsError(
                    ErrorCode.UNSUPPORTED_COMPUTATION,
                    f"{planned.binding.label!r} has {len(planned.stages)} stages. Only a computation with one stage "
                    "has a separate result for each silo.",
                    "Run it with run(), or split it into computations with one aggregation each.",
                )
            completed = self._completed(planned, argument)
            return Result(
                planned.binding.result(completed.environment), completed.silos, self._by_silo(planned, completed)
            )

    def _completed(self, planned: Planned, argument: Any) -> Completed:
        environment, clients = planned.binding.bind(argument)
        planned.server_logic[0].run(environment)
        if not planned.stages:
            return Completed(environment, environment, ())
        self._silos.progress.computation([stage.stage.digest for stage in planned.stages])
        invocation = Invocation(self._silos, planned, environment, clients)
        completed = invocation.run()
        self.merged_silos = completed.silos
        if self._durable_at_once:
            self._version += 1
            self._silos.mark_durable(self._version)
        else:
            self._silos.finish_invocation(invocation.id.number)
        return completed

    def _by_silo(self, planned: Planned, completed: Completed) -> dict[str, Any]:
        withheld = single_silo_results.withheld(completed.silos, self._silos.cohort_sizes())
        for silo, reason in sorted(withheld.items()):
            _LOG.warning("the result of this silo alone is left out", silo=silo, reason=reason)
        (stage,), logic = planned.stages, planned.server_logic[1]
        results: dict[str, Any] = {}
        for report in completed.reports:
            if report.silo not in withheld:
                own = dict(completed.before)
                stage.report(own, stage.merge([report], own))
                logic.run(own)
                results[report.silo] = planned.binding.result(own)
        return results

    def _plan(self, computation: tff.Computation | SavedPlan) -> Planned:
        found = self._planned.get(id(computation))
        if found is None:
            if len(self._planned) >= _PLANS_KEPT:
                self._planned.pop(next(iter(self._planned)))
            # Keep the computation alive, because its id is the key.
            found = (computation, Planned(computation, self._silos.store, self._rules))
            self._planned[id(computation)] = found
        return found[1]
