"""TFF's aggregators, learning algorithms and analytics give the same results over silos as on TFF's own runtime."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fedjobs
import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError

from tests.system.tff_library import Case, Leaves, cases

pytestmark = [pytest.mark.processes, pytest.mark.training, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of TFF's own runtime. A value that is a string is the traceback of a failure."""
    path = tmp_path_factory.mktemp("stock") / "results.pickle"
    command = [sys.executable, "-m", "tests.system.stock_results", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        assert process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the runtime leaves a process behind
    found: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301 - the process above wrote it
    return found


@pytest.fixture(scope="module", params=[1, 3], ids=["one silo", "three silos"])
def silos(request: pytest.FixtureRequest) -> Iterator[int]:
    """The number of silos of TFF's context in this module."""
    with fedjobs.local_execution_context(request.param, simulate_secure_aggregation=True):
        yield request.param


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_results_are_those_of_tffs_runtime(case: Case, silos: int, stock: dict[str, Any]) -> None:
    del silos
    expected = stock[case.name]
    assert not isinstance(expected, str), expected
    if case.refused:
        with pytest.raises(FedjobsError, match=case.refused) as raised:
            case.run()
        assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION
        return
    found = case.run()
    assert len(found) == len(expected)
    for ours, theirs in zip(_sorted(found, case), _sorted(expected, case), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        if theirs.dtype.kind == "f":
            scale = float(np.max(np.abs(theirs), initial=0.0))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=case.tolerance * scale)
        else:
            assert ours.tolist() == theirs.tolist()


def test_the_documentation_lists_the_cases_with_their_tolerances() -> None:
    lines = (ROOT / "docs" / "computations.md").read_text().splitlines()
    listed = [line for line in lines if re.search(r"\| (equal|within \S+|refused: .*) \|$", line)]
    assert listed == [f"| `{case.name}` | {_words(case)} |" for case in cases()]


def _words(case: Case) -> str:
    if case.refused:
        return f"refused: {case.refused}"
    return f"within {case.tolerance:.0e}".replace("e-0", "e-") if case.tolerance else "equal"


def _sorted(values: Leaves, case: Case) -> list[Any]:
    """Returns arrays. If the order of clients is not defined, their rows are sorted."""
    arrays = [np.asarray(value) for value in values]
    if case.ordered:
        return arrays
    return [np.array(sorted(array.tolist()), array.dtype) for array in arrays]
