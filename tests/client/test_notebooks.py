from __future__ import annotations

from pathlib import Path
from typing import Any

import fedjobs
import pytest
from fedjobs import runs
from fedjobs.runs import RunOutcome
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import Phase

from tests.api.jobs import a_job
from tests.client.run_folders import DIGEST, ARun


@pytest.fixture
def a_run(tmp_path: Path) -> ARun:
    return ARun(tmp_path / "run")


def ending(monkeypatch: pytest.MonkeyPatch, outcome: RunOutcome) -> list[Any]:
    called: list[Any] = []

    def run(job: Any, silos: Path, out: Path | None, **options: Any) -> RunOutcome:
        called.extend([job, silos, out])
        return outcome

    monkeypatch.setattr(runs, "run", run)
    return called


def test_a_job_from_python_returns_its_result(monkeypatch: pytest.MonkeyPatch, a_run: ARun) -> None:
    called = ending(monkeypatch, RunOutcome(0, "done", a_run.with_rounds(2).complete().folder.root))
    result = fedjobs.run(a_job(), silos="silos.yaml", out="runs/mine", show=False)
    assert called == [a_job(), Path("silos.yaml"), Path("runs/mine")]
    assert isinstance(result, fedjobs.RunResult)
    assert result.digest == DIGEST
    assert result.final["train/accuracy"] == 0.52


def test_a_failed_job_is_an_error_with_the_code_of_the_catalogue(monkeypatch: pytest.MonkeyPatch, a_run: ARun) -> None:
    a_run.with_status(phase=Phase.FAILED, code="CohortTooSmall", message="Two silos left.")
    ending(monkeypatch, RunOutcome(1, "CohortTooSmall: Two silos left.", a_run.folder.root))
    with pytest.raises(FedjobsError, match=r"^Two silos left\.$") as caught:
        fedjobs.run("job.yaml", "silos.yaml", show=False)
    assert caught.value.code is ErrorCode.COHORT_TOO_SMALL


def test_a_coordinator_that_crashed_is_an_error_too(monkeypatch: pytest.MonkeyPatch, a_run: ARun) -> None:
    ending(monkeypatch, RunOutcome(1, "The coordinator crashed.", a_run.with_status().folder.root))
    with pytest.raises(FedjobsError, match="crashed"):
        fedjobs.run("job.yaml", "silos.yaml", show=False)


def test_an_interrupted_run_interrupts_the_caller(monkeypatch: pytest.MonkeyPatch, a_run: ARun) -> None:
    ending(monkeypatch, RunOutcome(130, "interrupted", a_run.folder.root))
    with pytest.raises(KeyboardInterrupt):
        fedjobs.run("job.yaml", "silos.yaml", show=False)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        fedjobs.runn  # noqa: B018
