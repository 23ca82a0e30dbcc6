"""A job's owner replaces a computation that a person has read by another one, before the person approves it.

The first digits of a digest are easy to find again. A worker that ends takes its pending computations with it.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from fedjobs_common.ids import Digest
from fedjobs_worker.consent.approvals import ApprovalFolder
from fedjobs_worker.consent.consent_scopes import ConsentScope
from fedjobs_worker.consent.pending import Pending, PendingFolder

pytestmark = pytest.mark.processes

READ, OTHER = "abcdef" + "0" * 58, "abcdef" + "1" * 58


def _pending(digest: str, explanation: str) -> Pending:
    scope = ConsentScope(computation=digest)
    about = {"silo": "hospital-a", "job_uid": "1", "job_name": "digits", "since": 1.0, "until": 2e9}
    return Pending.model_validate(about | {"digest": digest, "explanation": explanation, "scope": scope})


def _typed(folder: Path, answer: str, *options: str) -> tuple[int, str]:
    """Runs `fedjobs silo approve` in a terminal, and types an answer if it asks."""
    command = [sys.executable, "-c", "from fedjobs.cli import main; main()"]
    command += ["silo", "approve", READ[:6], "--dir", str(folder), *options]
    main, side = pty.openpty()
    process = subprocess.Popen(command, stdin=side, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(side)
    os.write(main, f"{answer}\n".encode())
    shown, _ = process.communicate(timeout=120)
    os.close(main)
    return process.returncode, shown


def test_an_approval_in_a_terminal_is_for_what_the_person_sees_then(tmp_path: Path) -> None:
    folder, approvals = PendingFolder(tmp_path / "pending"), ApprovalFolder(tmp_path / "approvals")
    read = _pending(READ, "sums of pixels\n")
    folder.put(read)
    folder.remove(read.scope)
    folder.put(_pending(OTHER, "copies of records\n"))
    code, shown = _typed(tmp_path, "n")
    assert code == 1
    assert shown.index("copies of records") < shown.index(f"Approve the computation {OTHER} as shown above?")
    assert not approvals.of(Digest(OTHER)).approvals
    assert _typed(tmp_path, "y")[0] == 0
    assert approvals.of(Digest(OTHER)).approvals
    code, shown = _typed(tmp_path, "", "--yes")
    assert code == 0
    assert "as shown above?" not in shown
