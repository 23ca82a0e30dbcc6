"""A coordinator starts while silos join, and none of several starts hangs. `python -m bench.starts` does more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .starts import Start, busy, start

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

_STARTS, _AT_ONCE = 8, 4


def test_no_start_hangs_on_a_busy_machine(tmp_path: Path) -> None:
    def one(number: int) -> Start:
        folder = tmp_path / str(number)
        folder.mkdir()
        return start(folder, real=False)

    with busy(1), ThreadPoolExecutor(_AT_ONCE) as pool:
        starts = list(pool.map(one, range(_STARTS)))
    assert [each for each in starts if not each.went_well] == []
