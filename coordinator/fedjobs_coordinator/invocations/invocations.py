"""Runs invocations of computations over the silos, from the first server logic to the result."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest, SiloName
from fedjobs_compute.plan_files import SavedPlan
from fedjobs_compute.plans import Stage
from fedjobs_protocol.transfers.declared_sizes import known_bytes
from fedjobs_verifier import ALLOWED_OPERATIONS, verify_for_some_silo

from fedjobs_coordinator.aggregation.merging import Merger, NotFiniteError
from fedjobs_coordinator.aggregation.outcomes import Failure, Outcome, Report
from fedjobs_coordinator.invocations.bindings import Binding, Clients, SavedPlanBinding
from fedjobs_coordinator.invocations.server_logic import ServerLogic
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.invocations.work_builder import WorkBuilder
from fedjobs_coordinator.sessions.assignments import Assignment

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
    """

    value: Any
    silos: tuple[SiloName, ...]


class Invocations:
    """Runs computations and plans from files, one at a time.

    The first computation imports TFF.

    Args:
        silos: The silos of the job.
        durable_at_once: Whether reports are dropped at the end of each invocation, because no state is saved.
    """

    def __init__(self, silos: Silos, *, durable_at_once: bool = False) -> None:
        self._silos = silos
        self._durable_at_once = durable_at_once
        self._lock = threading.Lock()
        self._planned: dict[int, tuple[object, _Planned]] = {}

    def run(self, computation: tff.Computation | SavedPlan, argument: Any) -> Result:
        """Runs a computation. Its binding documents the possible arguments.

        Raises:
            FedjobsError: UNSUPPORTED_COMPUTATION, COHORT_TOO_SMALL or PROGRAM_FAILED.
            SuspendedError: The coordinator was told to stop.
        """
        with self._lock:
            planned = self._plan(computation)
            environment, clients = planned.binding.bind(argument)
            silos: tuple[SiloName, ...] = ()
            planned.server_logic[0].run(environment)
            self._tell(planned)
            for stage, logic in zip(planned.stages, planned.server_logic[1:], strict=True):
                merged = self._merged(planned, stage, environment, clients)
                stage.report(environment, merged.accumulators)
                silos = tuple(r.silo for r in merged.reports)
                logic.run(environment)
            if self._durable_at_once and planned.stages:
                self._silos.mark_durable()
            return Result(planned.binding.result(environment), silos)

    def run_per_silo(self, computation: tff.Computation | SavedPlan, argument: Any) -> dict[str, Any]:
        """Runs a computation like `run`, but returns a separate result for each silo."""
        with self._lock:
            planned = self._plan(computation)
            environment, clients = planned.binding.bind(argument)
            planned.server_logic[0].run(environment)
            self._tell(planned)
            (stage,), (logic,) = planned.stages, planned.server_logic[1:]
            results: dict[str, Any] = {}
            for report in self._merged(planned, stage, environment, clients).reports:
                own = dict(environment)
                stage.report(own, stage.merge([report], own))
                logic.run(own)
                results[report.silo] = planned.binding.result(own)
            return results

    def _plan(self, computation: tff.Computation | SavedPlan) -> _Planned:
        found = self._planned.get(id(computation))
        if found is None:
            if len(self._planned) >= _PLANS_KEPT:
                self._planned.pop(next(iter(self._planned)))
            # Keep the computation alive, because its id is the key.
            found = (computation, _Planned(_bound(computation), self._silos))
            self._planned[id(computation)] = found
        return found[1]

    def _tell(self, planned: _Planned) -> None:
        if planned.stages:
            self._silos.progress.computation([stage.stage.digest for stage in planned.stages])

    def _merged(self, planned: _Planned, stage: _Stage, environment: dict[str, Any], clients: Clients) -> _Merged:
        """Runs one exchange with the silos of the cohort."""
        builder = WorkBuilder(self._silos, stage.stage, planned.binding.label)
        scope = builder.scope(clients)
        cohort = self._silos.cohort(scope, lambda: builder.offered(clients))
        assignments = builder.assignments(environment, clients, cohort, self._silos.generation)
        if assignments:
            self._silos.check_disk(known_bytes(stage.stage.accumulators), len(assignments))
            self._silos.assign(assignments)
            try:
                self._silos.wait_for_reports(assignments)
            finally:
                self._silos.withdraw(assignments)
        return self._usable(stage, scope, environment, assignments)

    def _usable(
        self, stage: _Stage, scope: Digest, environment: Mapping[str, Any], assignments: Sequence[Assignment]
    ) -> _Merged:
        """Merges the reports. Silos that sent NaN are excluded if enough other silos reported.

        Raises:
            FedjobsError: COHORT_TOO_SMALL if too few reports are usable.
        """
        outcomes = assignments[0].outcomes.received() if assignments else {}
        reports = {silo: o for silo, o in outcomes.items() if isinstance(o, Report)}
        failures = {a.silo: _failure(outcomes.get(a.silo)) for a in assignments if a.silo not in reports}
        for silo in [s for s, failure in failures.items() if failure.final]:
            self._silos.mark_refused(scope, silo)
        needed = min(self._silos.job.cohort.min_silos, len(assignments))
        while len(reports) >= needed:
            usable = tuple(r for _, r in sorted(reports.items()) if r.clients)
            try:
                return _Merged(usable, stage.merge(usable, environment))
            except NotFiniteError as error:
                for silo in error.silos:
                    del reports[silo]
                    failures[silo] = _not_finite(silo)
                    self._silos.exclude(silo, failures[silo].reason, failures[silo].message)
        raise _too_few(len(reports), needed, failures, self._silos.why_missing([a.silo for a in assignments]))


@dataclass(frozen=True)
class _Merged:
    """The used reports, in the order of the silos' names, and their merged accumulators."""

    reports: tuple[Report, ...]
    accumulators: list[Any]


def _failure(outcome: Outcome | None) -> Failure:
    return outcome if isinstance(outcome, Failure) else Failure("RoundDeadline", "no report before the deadline.")


def _not_finite(silo: SiloName) -> Failure:
    message = f"silo {silo} sent NaN or infinity in its accumulators. This round does not use them."
    return Failure(ErrorCode.REPORT_NOT_FINITE.label, message)


def _too_few(count: int, needed: int, failures: Mapping[SiloName, Failure], absent: str) -> FedjobsError:
    whys = [f"{silo}: {f.reason}: {f.message}" for silo, f in sorted(failures.items())]
    why = " ".join([*whys, *([f"{absent}."] if absent else [])])
    return FedjobsError(
        ErrorCode.COHORT_TOO_SMALL,
        f"Only {count} silos reported, and at least {needed} are needed. {why}",
        "Fix the cause at these silos, or lower spec.cohort.minSilos.",
    )


class _Stage:
    """A stage with loaded programs."""

    def __init__(self, stage: Stage, silos: Silos) -> None:
        self.stage = stage
        self._merge = ServerLogic(stage.merge, f"{stage.digest}/merge")
        self._report = ServerLogic(stage.report, f"{stage.digest}/report")
        self._zero = ServerLogic(stage.zero, f"{stage.digest}/zero")
        self._merger = Merger(stage.merge_kinds, silos.store)

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


class _Planned:
    """A plan with loaded programs."""

    def __init__(self, binding: Binding, silos: Silos) -> None:
        self.binding = binding
        for stage in binding.plan.stages:
            _warn_of_refusals(binding.label, stage)
        self.server_logic = [ServerLogic(p, f"{binding.label}/server") for p in binding.plan.server_logic]
        self.stages = [_Stage(stage, silos) for stage in binding.plan.stages]


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
