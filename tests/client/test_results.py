from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from fedjobs import result_tables, results
from fedjobs_common.errors import ErrorCode, FedjobsError
from rich.console import Console

from tests.client.run_folders import DIGEST, ARun, a_round


@pytest.fixture
def run(tmp_path: Path) -> ARun:
    return ARun(tmp_path / "run")


def test_a_result_has_the_models_digest_and_location(run: ARun) -> None:
    found = results.read(run.complete().folder.root)
    assert found.complete
    assert found.digest == DIGEST
    assert found.files["keras"] == run.folder.result / "model" / "model.keras"


def test_metrics_are_those_that_the_program_wrote_per_round(run: ARun) -> None:
    lines = [{"round": 2, "train/loss": 0.5}, {"round": 1, "train/loss": 1.0}]
    (run.folder.result / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"round": 3, "tr'
    )
    found = results.read(run.with_rounds(1).folder.root)
    assert found.metrics == [lines[1], lines[0]]
    assert found.final == {"train/loss": 0.5}


def test_without_written_metrics_the_last_reported_ones_of_a_round_count(run: ARun) -> None:
    run.with_events(a_round(1, metrics={"a": 1.0}), a_round(2, metrics={"a": 2.0}), a_round(2, metrics={"a": 3.0}))
    assert results.read(run.folder.root).metrics == [{"round": 1, "a": 1.0}, {"round": 2, "a": 3.0}]


def test_a_run_that_is_not_complete_has_no_model(run: ARun) -> None:
    found = results.read(run.with_rounds(1).folder.root)
    assert not found.complete
    assert found.as_json()["model"] is None
    assert found.as_json()["metrics"][0]["round"] == 1


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError, match="is not the folder of a run") as caught:
        results.read(tmp_path)
    assert caught.value.code is ErrorCode.INVALID_JOB


def test_loading_a_missing_model_gives_the_reason(run: ARun) -> None:
    with pytest.raises(FedjobsError, match="has no model in the format 'keras'"):
        results.read(run.with_rounds(1).folder.root).load_model()


@pytest.mark.parametrize("content", ["{", "[]"])
def test_an_unreadable_result_is_refused_by_name(run: ARun, content: str) -> None:
    run.folder.result_file.write_text(content)
    with pytest.raises(FedjobsError, match=r"result.json is not a result"):
        results.read(run.folder.root)


def test_a_result_is_shown_by_round_and_by_silo(run: ARun) -> None:
    console = Console(file=io.StringIO(), width=100)
    found = results.read(run.with_rounds(2).complete().folder.root)
    console.print(result_tables.drawn(found))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0.5200" in shown
    assert "hospital-a" in shown
    assert result_tables.places(found)["digest"] == DIGEST
