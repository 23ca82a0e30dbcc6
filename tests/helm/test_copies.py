"""The chart's copies of crds/ are up to date."""

from __future__ import annotations

import subprocess
import sys

from tests.helm.charts import CHART

SCRIPT = CHART.parent / "crds.py"


def test_the_copies_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
