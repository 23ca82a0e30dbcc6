from __future__ import annotations

from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker import termination_message
from fedjobs_worker.termination_message import LastWord, Outcome


def test_a_written_message_is_read(tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    termination_message.write(path, LastWord(outcome=Outcome.DECLINED, message="no"))
    assert termination_message.parse(path.read_text()) == LastWord(outcome=Outcome.DECLINED, message="no")


def test_an_error_fits_into_a_termination_message(tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    termination_message.write(path, termination_message.of_error(FedjobsError(ErrorCode.NOT_INVITED, "x" * 9000)))
    assert path.stat().st_size < 4096
    word = termination_message.parse(path.read_text())
    assert word is not None
    assert (word.outcome, word.code) == (Outcome.ERROR, "NotInvited")


def test_a_crash_has_no_message() -> None:
    assert termination_message.parse("") is None
    assert termination_message.parse("Traceback (most recent call last)") is None


def test_without_a_file_nothing_is_written() -> None:
    termination_message.write(None, LastWord(outcome=Outcome.COMPLETE))
