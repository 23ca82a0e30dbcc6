"""The interface between built-in programs and the coordinator.

A program is the loop of a job. It decides which computation runs next on which data, when the state is saved, and what
the result is. `ProgramContext` hides sessions, work items and checkpoint files, so a program can also run in a test
over plain lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.models import Model


class DataIterator(Protocol):
    """Returns references to the silos' data.

    A reference represents a CLIENTS-placed argument of the sequence type in the computation. Only silos can resolve it.
    """

    def select_seeded(self, seed: int) -> object:
        """Returns a reference to the data of all silos of the next cohort.

        Args:
            seed: The seed for the sampling of local clients, if a silo samples (`clientsPerRound`). Equal seeds select
                the same clients, also after a restart of the coordinator. 0 <= seed < 2**63.
        """


class DataSource(Protocol):
    """The used part of `tff.program.FederatedDataSource`."""

    def iterator(self) -> DataIterator: ...


class ProgramContext(Protocol):
    """The context of a program's run. Arguments and results of computations are numpy arrays in TFF's containers."""

    @property
    def job(self) -> ResolvedJob: ...

    @property
    def parameters(self) -> Model:
        """The parsed parameters: `parse_parameters(job.program.name, job.program.parameters)`."""

    @property
    def result_dir(self) -> Path:
        """The folder where the program writes its result. It may not exist yet."""

    def data(self, dataset: str) -> DataSource:
        """Returns a dataset of the silos. The name is one of `fedjobs_common.programs.datasets(...)`."""

    # A computation is a `tff.Computation`. TFF has no static types for states and results.
    async def run(self, computation: Any, *arguments: Any) -> Any:
        """Invokes a computation once over the silos. Its CLIENTS-placed arguments are references."""

    async def run_with_silos(self, computation: Any, *arguments: Any) -> tuple[Any, Mapping[str, Any]]:
        """Invokes a computation once. Returns the result of `run`, and the SERVER result of each silo, by its name.

        A silo whose policy allows no results over one silo (`policy.minCohortSize`) is missing.
        """

    async def load(self) -> tuple[int, Any] | None:
        """Returns the latest saved version and its state. None if nothing was saved yet."""

    async def save(self, version: int, state: Any) -> None:
        """Saves a state durably."""

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:  # noqa: A002 - the domain's word
        """Reports a finished round, starting at 1, whose state is durable."""

    def silos(self) -> Sequence[str]:
        """Returns the sorted names of the silos whose accumulators are in the last invocation's result."""
