"""One call of a computation: its plan, its cohort, its quorum, and when it runs again.

The silos of the cohort run all stages. Each stage after the first one needs all silos that contributed to the first
one. If one of them is lost, the invocation runs again from its first stage with another cohort.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fedjobs_common.errors import ErrorCode
from fedjobs_common.ids import SiloName
from fedjobs_protocol.transfers.declared_sizes import known_bytes

from fedjobs_coordinator.aggregation.merging import NotFiniteError
from fedjobs_coordinator.aggregation.outcomes import Failure, Report, Retry
from fedjobs_coordinator.invocations import quorum
from fedjobs_coordinator.invocations.bindings import Clients
from fedjobs_coordinator.invocations.planned import Planned
from fedjobs_coordinator.invocations.quorum import Members
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.invocations.work_builder import WorkBuilder
from fedjobs_coordinator.sessions.assignments import Assignment

_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Completed:
    """An invocation that has run.

    Attributes:
        environment: The values of the coordinator's leaves after the last stage, by name.
        before: The values before the results of the last stage.
        reports: The reports of the last stage, in the order of the silos' names.
    """

    environment: dict[str, Any]
    before: dict[str, Any]
    reports: tuple[Report, ...]

    @property
    def silos(self) -> tuple[SiloName, ...]:
        """The silos whose accumulators are in the result."""
        return tuple(report.silo for report in self.reports)


class _LostError(Exception):
    """Too few silos contributed to a stage."""


class Invocation:
    """One call of a computation.

    Args:
        silos: The silos of the job.
        planned: The plan.
        environment: The values of the coordinator's leaves before the first stage, by name.
        clients: The clients and their values.
    """

    def __init__(self, silos: Silos, planned: Planned, environment: Mapping[str, Any], clients: Clients) -> None:
        self._silos = silos
        self._planned = planned
        self._environment = environment
        self._clients = clients
        self._builder = WorkBuilder(silos, planned.binding.plan.stages, clients, planned.binding.label)
        self.id = self._builder.next_invocation(environment)

    def run(self) -> Completed:
        """Runs all stages, and again with another cohort as long as too few silos contribute.

        Raises:
            FedjobsError: COHORT_TOO_SMALL if too many silos cannot take part in this invocation; DISK_FULL.
            SuspendedError: The coordinator was told to stop.
        """
        for attempt in itertools.count(1):
            cohort = self._silos.cohort(self.id, self._builder.scopes, self._builder.offers)
            try:
                return self._attempted(cohort, attempt)
            except _LostError as lost:
                _LOG.warning("the computation runs again", label=self._planned.binding.label, reason=str(lost))
                self._silos.run_again(f"{lost} The computation runs again.")
        raise AssertionError("unreachable")

    def _attempted(self, cohort: Sequence[SiloName], attempt: int) -> Completed:
        environment = before = dict(self._environment)
        reports: tuple[Report, ...] = ()
        members: Members | None = None
        stages = zip(self._planned.stages, self._planned.server_logic[1:], strict=True)
        for number, (stage, logic) in enumerate(stages):
            reports, merged = self._exchanged(number, environment, cohort, attempt, members)
            members = {report.silo: report.clients for report in reports} if members is None else members
            before = dict(environment)
            stage.report(environment, merged)
            logic.run(environment)
        return Completed(environment, before, reports)

    def _exchanged(
        self,
        number: int,
        environment: Mapping[str, Any],
        cohort: Sequence[SiloName],
        attempt: int,
        members: Members | None,
    ) -> tuple[tuple[Report, ...], list[Any]]:
        """Runs one stage. Returns the reports that are in its result, and the merged accumulators."""
        stage = self._planned.stages[number].stage
        assignments = self._builder.assignments(number, environment, cohort, self.id, attempt, members)
        if assignments:
            self._silos.check_disk(known_bytes(stage.accumulators), len(assignments))
            self._silos.assign(assignments)
            try:
                self._silos.wait_for_reports(assignments, attempt)
            finally:
                self._silos.withdraw(assignments)
        return self._merged(number, environment, assignments, members)

    def _merged(
        self, number: int, environment: Mapping[str, Any], assignments: Sequence[Assignment], members: Members | None
    ) -> tuple[tuple[Report, ...], list[Any]]:
        """Merges the reports. Silos that sent NaN are excluded if enough other silos contributed."""
        stage = self._planned.stages[number]
        asked = [assignment.silo for assignment in assignments]
        outcomes = assignments[0].outcomes.received() if assignments else {}
        found = quorum.contributions(asked, outcomes, members)
        for silo, failure in found.failures.items():
            self._failed(number, silo, failure)
        given = isinstance(self._clients.number, int)
        needed = quorum.needed(len(asked), self._silos.job.cohort.min_silos, members, given=given)
        while len(found.reports) >= needed:
            reports = tuple(report for _, report in sorted(found.reports.items()))
            try:
                merged = stage.merge(reports, environment)
            except NotFiniteError as error:
                for silo in error.silos:
                    del found.reports[silo]
                    self._failed(number, silo, _not_finite(silo))
            else:
                self._silos.mark_worked(self._builder.scopes[number], [report.silo for report in reports])
                return reports, merged
        raise _LostError(
            f"Only {len(found.reports)} silos contributed to stage {number + 1} of {len(self._planned.stages)}, and at "
            f"least {needed} are needed."
        )

    def _failed(self, number: int, silo: SiloName, failure: Failure) -> None:
        self._silos.mark_failed(self.id, self._builder.scopes[number], silo, failure)


def _not_finite(silo: SiloName) -> Failure:
    message = f"silo {silo} sent NaN or infinity in its accumulators. This round does not use them."
    return Failure(ErrorCode.REPORT_NOT_FINITE.label, message, Retry.OTHER_INPUTS)
