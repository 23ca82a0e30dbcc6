from __future__ import annotations

from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker import last_words
from fedjobs_worker.last_words import LastWord, Outcome


def test_what_was_said_is_read(tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    last_words.write(path, LastWord(outcome=Outcome.DECLINED, message="no"))
    assert last_words.parse(path.read_text()) == LastWord(outcome=Outcome.DECLINED, message="no")


def test_an_error_fits_into_a_termination_message(tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    last_words.write(path, last_words.of_error(FedjobsError(ErrorCode.NOT_INVITED, "x" * 9000)))
    assert path.stat().st_size < 4096
    word = last_words.parse(path.read_text())
    assert word is not None
    assert (word.outcome, word.code) == (Outcome.ERROR, "NotInvited")


def test_a_crash_says_nothing() -> None:
    assert last_words.parse("") is None
    assert last_words.parse("Traceback (most recent call last)") is None


def test_no_file_no_word() -> None:
    last_words.write(None, LastWord(outcome=Outcome.COMPLETE))
