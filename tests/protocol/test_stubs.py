from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"


def test_the_committed_stubs_are_what_the_proto_files_give():
    done = subprocess.run(
        [sys.executable, PROTOCOL / "stubs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
