"""The chart's copies of crds/ are true."""

from __future__ import annotations

import subprocess
import sys

from tests.helm.charts import CHART

SCRIPT = CHART.parent / "crds.py"


def test_they_have_not_drifted() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
