"""A program context over lists. All computations run in this process, one client after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_common.programs import ProgramParameters, parse_parameters

from tests.compute.interpreter import Interpreter

Clients = list[list[dict[str, Any]]]  # the rows of each client


class KilledError(Exception):
    """Simulates that the coordinator's process was killed."""


@dataclass(frozen=True)
class Reference:
    dataset: str


@dataclass(frozen=True)
class _Source:
    dataset: str
    seeds: list[int]

    def iterator(self) -> _Source:
        return self

    def select_seeded(self, seed: int) -> Reference:
        self.seeds.append(seed)
        return Reference(self.dataset)


@dataclass
class Checkpoints:
    """The state that outlives a process."""

    versions: dict[int, Any] = field(default_factory=dict)


class InProcessContext:
    """A context without silo processes.

    Args:
        datasets: The data, by dataset and silo.
        killed_before_save_of: The round whose state is computed but not saved.
    """

    def __init__(
        self,
        program: str,
        parameters: Mapping[str, Any],
        datasets: Mapping[str, Mapping[str, Clients]],
        result_dir: Path,
        *,
        checkpoints: Checkpoints | None = None,
        killed_before_save_of: int | None = None,
        formats: Sequence[Any] = (),
    ) -> None:
        self.parameters: ProgramParameters = parse_parameters(program, parameters)
        self.result_dir = result_dir
        self.checkpoints = checkpoints or Checkpoints()
        self.finished: dict[int, dict[str, float]] = {}
        self.seeds: list[int] = []
        self.computations: dict[int, Interpreter] = {}
        self._datasets, self._killed = datasets, killed_before_save_of
        dataset = next(iter(datasets))
        silos = sorted(datasets[dataset])
        self.job = ResolvedJob(
            uid="00000000-0000-0000-0000-000000000000",
            name="a-job",
            program=ResolvedProgram(name=program, parameters=dict(parameters)),
            dataset=dataset,
            silos=silos,
            cohort=ResolvedCohort(min_silos=1, goal_silos=len(silos), round_deadline_seconds=60),
            output_formats=tuple(formats),
        )

    def data(self, dataset: str) -> _Source:
        return _Source(dataset, self.seeds)

    def silos(self) -> list[str]:
        return self.job.silos

    async def run(self, computation: Any, *arguments: Any) -> Any:
        return self._run(computation, arguments, self.silos())

    async def run_with_silos(self, computation: Any, *arguments: Any) -> tuple[Any, dict[str, Any]]:
        by_silo = {silo: self._run(computation, arguments, [silo]) for silo in self.silos()}
        return self._run(computation, arguments, self.silos()), by_silo

    async def load(self) -> tuple[int, Any] | None:
        versions = self.checkpoints.versions
        return max(versions.items(), key=lambda item: item[0]) if versions else None

    async def save(self, version: int, state: Any) -> None:
        if version == self._killed:
            raise KilledError
        self.checkpoints.versions[version] = state

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:  # noqa: A002 - the protocol's name
        assert not self.checkpoints.versions or round in self.checkpoints.versions
        self.finished[round] = dict(metrics)

    def _run(self, computation: Any, arguments: Sequence[Any], silos: Sequence[str]) -> Any:
        interpreter = self.computations.setdefault(id(computation), Interpreter(computation))
        return interpreter(*(self._resolved(argument, silos) for argument in arguments))

    def _resolved(self, argument: Any, silos: Sequence[str]) -> Any:
        if not isinstance(argument, Reference):
            return argument
        return [client for silo in silos for client in self._datasets[argument.dataset][silo]]


def classes(seed: int, examples: int, features: int = 4) -> list[dict[str, Any]]:
    """Returns rows of one client with three classes that a linear model can separate."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, examples).astype(np.int32)
    x = random.normal(size=(examples, features)).astype(np.float32) * 0.3
    x[np.arange(examples), labels] += 1
    return [{"x": row, "y": label} for row, label in zip(x, labels, strict=True)]
