from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs.plots import learning_curves

from tests.client.run_folders import a_round

PNG = b"\x89PNG"
TWO_ROUNDS = [{"round": float(number), **a_round(number).metrics} for number in (1, 2)]


def test_learning_curves_are_drawn(tmp_path: Path) -> None:
    assert learning_curves(TWO_ROUNDS, tmp_path / "curves.png", title="digits")
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("rounds", [[], TWO_ROUNDS[:1], [{"round": 1.0}, {"round": 2.0}]])
def test_without_two_rounds_of_metrics_nothing_is_drawn(tmp_path: Path, rounds: list[dict[str, float]]) -> None:
    assert not learning_curves(rounds, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
