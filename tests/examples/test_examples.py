"""The examples do what their descriptions say."""

import subprocess
import sys
from pathlib import Path

import fedjobs_api as api
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker import silo_files
from fedjobs_worker.data import datasets
from fedjobs_worker.silo_files import SiloFile

ROOT = Path(__file__).parents[2] / "examples"
EXAMPLES = ["breast-cancer", "custom", "digits"]


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of an example with its data."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("job.yaml", "silos.yaml"):
        (folder / name).write_bytes((ROOT / request.param / name).read_bytes())
    prepare(request.param, folder / "data")
    return folder


def prepare(example: str, out: Path) -> None:
    subprocess.run([sys.executable, ROOT / example / "prepare.py", "--out", out], check=True, stdout=subprocess.DEVNULL)


def test_its_job_matches_its_silos(example: Path) -> None:
    silos = silo_files.load_all(example / "silos.yaml")
    job = api.load(example / "job.yaml")
    resolved = api.resolve(job, [silo.silo for silo in silos], folder=example)
    assert resolved.silos == [silo.silo for silo in silos]
    for silo in silos:
        assert set(api.datasets(job)) <= silo.datasets.keys()


def test_every_silo_can_load_its_data_and_the_malformed_one_names_file_row_and_column(example: Path) -> None:
    for silo in silo_files.load_all(example / "silos.yaml"):
        for name in silo.datasets:
            if (silo.silo, name) == ("clinic-d", "tumours"):
                with pytest.raises(FedjobsError, match=r"clinic-d/train\.csv, row 17, column 'mean_area'") as caught:
                    count_rows(silo, name)
                assert caught.value.code is ErrorCode.DATA_MALFORMED
            else:
                assert count_rows(silo, name) > 0


def count_rows(silo: SiloFile, name: str) -> int:
    return int(datasets.load(silo.datasets[name]).offsets[-1])


@pytest.mark.parametrize("name", EXAMPLES)
def test_preparing_an_example_is_deterministic(name: str, tmp_path: Path) -> None:
    prepare(name, tmp_path / "first")
    prepare(name, tmp_path / "second")
    first = {path.relative_to(tmp_path / "first"): path.read_bytes() for path in tmp_path.glob("first/*/*")}
    second = {path.relative_to(tmp_path / "second"): path.read_bytes() for path in tmp_path.glob("second/*/*")}
    assert len(first) == {"custom": 3}.get(name, 8)
    assert first == second
