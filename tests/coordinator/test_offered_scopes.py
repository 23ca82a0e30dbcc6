"""The scopes of offers: the same computation on other datasets is offered again, and in each round it is not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fedjobs_common.file_pool import FilePool
from fedjobs_compute.plans import ClientInput
from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.invocations.bindings import Clients
from fedjobs_coordinator.invocations.silo_references import SiloData
from fedjobs_coordinator.invocations.work_builder import WorkBuilder

from .test_invocation import STAGES


def _builder(folder: Path, dataset: str, seed: int = 1, counted: str = "") -> WorkBuilder:
    silos: Any = SimpleNamespace(store=BlobStore(folder / "values", FilePool(folder / "spares", most=2)))
    read = SiloData(dataset, seed)
    return WorkBuilder(
        silos, STAGES, Clients(SiloData(counted or dataset, seed), {ClientInput(0, 0): read}), "variance"
    )


def test_each_combination_of_datasets_is_an_offer_of_its_own(tmp_path: Path) -> None:
    first, second = _builder(tmp_path, "digits"), _builder(tmp_path, "patients")
    counted = _builder(tmp_path, "digits", counted="patients")
    assert (
        len({*first.scopes, *second.scopes, *counted.scopes}) == 6
    )  # two stages, of which the second reads kept values
    assert [offered.scope for offered in first.offers()] == list(first.scopes)
    assert [offered.digest for offered in first.offers()] == [offered.digest for offered in second.offers()]


def test_the_seed_of_a_round_makes_no_new_offer(tmp_path: Path) -> None:
    assert _builder(tmp_path, "digits", seed=1).scopes == _builder(tmp_path, "digits", seed=2).scopes
