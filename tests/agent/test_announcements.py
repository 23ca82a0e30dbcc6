from __future__ import annotations

from typing import Any

import pytest
from fedjobs_agent.federation.announcements import announcement
from fedjobs_worker.silo_files import SiloFile

SENSORS = {
    "source": {"parquet": {"path": "/data/*.parquet"}},
    "features": {
        "spec": {
            "spectrum": {"columns": ["f0", "f1", "f2"]},
            "station": {"column": "id", "dtype": "int32"},
            "image": {"column": "i", "dtype": "uint8", "shape": [8, 8]},
        }
    },
    "label": {"column": "faulty", "dtype": "int32"},
}
DIGITS = {"source": {"csv": {"path": "/data/*.csv"}}, "features": {"columns": ["a", "b"]}}


def a_silo(**fields: Any) -> SiloFile:
    return SiloFile.model_validate({"silo": "plant-2", "datasets": {"sensors": SENSORS, "digits": DIGITS}, **fields})


def announced_datasets(silo: SiloFile) -> dict[str, list[str]]:
    return {dataset.name: list(dataset.features) for dataset in announcement(silo, "agent").datasets}


def test_names_are_announced_and_schemas_are_not() -> None:
    assert announced_datasets(a_silo()) == {"digits": [], "sensors": []}


def test_schemas_are_announced_if_the_silo_allows_it() -> None:
    assert announced_datasets(a_silo(policy={"shareDatasetSchemas": True})) == {
        "digits": ["x: float32[2]"],
        "sensors": ["x/spectrum: float32[3]", "x/station: int32", "x/image: uint8[8,8]", "y: int32"],
    }


def test_datasets_that_no_job_may_use_are_not_announced() -> None:
    assert announced_datasets(a_silo(policy={"datasets": ["digits"]})) == {"digits": []}


def test_a_silo_may_announce_nothing_about_its_data() -> None:
    assert announced_datasets(a_silo(policy={"shareDatasetNames": False, "shareDatasetSchemas": True})) == {}


@pytest.mark.parametrize(("cpu", "cpus"), [("4", 4), ("2500m", 2), ("100m", 1)])
def test_the_cpus_are_those_of_a_worker_if_the_silo_sets_them(cpu: str, cpus: int) -> None:
    assert announcement(a_silo(runner={"resources": {"limits": {"cpu": cpu}}}), "agent").cpus == cpus


def test_versions_and_gpus_are_announced() -> None:
    said = announcement(a_silo(runner={"gpu": {}}), "agent")
    assert (said.agent_id, said.gpus) == ("agent", 1)
    assert {"fedjobs", "protocol", "tensorflow"} == set(said.versions)
