"""The code on the page about Python runs as written, in one session."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks


@pytest.mark.processes
@pytest.mark.training
def test_the_code_on_the_page_runs(tmp_path: Path) -> None:
    code = [block.text for block in blocks(ROOT / "docs" / "python.md") if block.language == "python"]
    session = tmp_path / "session.py"
    session.write_text("\n".join(text for text in code if "fedjobs.run(" not in text))  # that needs the example's data
    ended = subprocess.run([sys.executable, session], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("2.5", "3.0")
    rounds = [re.fullmatch(r"round (\d): (\d+) examples, loss (\d\.\d+)", line) for line in lines[1:-1]]
    assert [(found[1], found[2]) for found in rounds if found] == [("1", "240"), ("2", "240"), ("3", "240")]
    losses = [float(found[3]) for found in rounds if found]
    assert losses == sorted(losses, reverse=True)
