from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fedjobs import validation
from fedjobs_common.errors import ErrorCode, FedjobsError

from tests.api.jobs import a_job


def a_silo(name: str, dataset: str = "digits") -> dict[str, Any]:
    described = {"source": {"csv": {"path": "a.csv"}}, "features": {"columns": ["p0"]}}
    return {"silo": name, "datasets": {dataset: described}}


@pytest.fixture
def silos(tmp_path: Path) -> Path:
    return written(tmp_path, a_silo("hospital-a"), a_silo("hospital-b"))


def written(folder: Path, *silos: dict[str, Any]) -> Path:
    path = folder / "silos.yaml"
    path.write_text(yaml.safe_dump_all(silos))
    return path


def test_a_job_with_matching_silos_is_resolved(silos: Path) -> None:
    checked = validation.check(a_job(), silos)
    assert checked.resolved.silos == ["hospital-a", "hospital-b"]
    assert checked.warnings == []


def test_a_dataset_that_too_few_silos_offer_is_refused_with_what_they_offer(tmp_path: Path) -> None:
    silos = written(tmp_path, a_silo("hospital-a"), a_silo("hospital-b", "digit"))
    with pytest.raises(FedjobsError, match=r"'digits' is missing .* of hospital-b\. .*: digit\.") as caught:
        validation.check(a_job(), silos)
    assert caught.value.code is ErrorCode.DATA_NOT_FOUND


def test_a_dataset_that_enough_silos_offer_is_a_warning(tmp_path: Path) -> None:
    silos = written(tmp_path, a_silo("hospital-a"), a_silo("hospital-b", "digit"))
    assert len(validation.check(a_job(cohort={"minSilos": 1}), silos).warnings) == 1


def test_silos_that_the_job_does_not_name_are_a_warning(tmp_path: Path) -> None:
    silos = written(tmp_path, *map(a_silo, ("hospital-a", "hospital-b", "hospital-c")))
    assert "hospital-c" in validation.check(a_job(), silos).warnings[0]


def test_a_wrong_silos_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError) as caught:
        validation.check(a_job(), written(tmp_path, {"silo": "hospital-a", "datsets": {}}))
    assert caught.value.code is ErrorCode.INVALID_SILO_FILE


def test_reading_the_data_reports_sizes_and_errors(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("p0\n1\n2\n")
    (tmp_path / "b.csv").write_text("p0\n1\nlow\n")
    bad = a_silo("hospital-b")
    bad["datasets"]["digits"]["source"]["csv"]["path"] = "b.csv"
    read = list(validation.read_data(validation.check(a_job(), written(tmp_path, a_silo("hospital-a"), bad))))
    assert (read[0].silo, read[0].examples, read[0].clients, read[0].problem) == ("hospital-a", 2, 1, None)
    assert read[1].problem is not None
    assert read[1].problem.code is ErrorCode.DATA_MALFORMED
    assert "b.csv, row 3, column 'p0'" in read[1].problem.message


def test_reading_the_data_compares_labels_with_the_loss(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("p0,y\n1,0\n2,10\n")
    silo = a_silo("hospital-a")
    silo["datasets"]["digits"]["label"] = "y"
    read = next(validation.read_data(validation.check(a_job(), written(tmp_path, silo, a_silo("hospital-b")))))
    assert read.problem is not None
    assert "column 'y': 1 of 2 labels are outside" in read.problem.message
