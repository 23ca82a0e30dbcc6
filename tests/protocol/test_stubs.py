from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"


def test_the_committed_stubs_match_the_proto_files():
    done = subprocess.run(
        [sys.executable, PROTOCOL / "stubs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
