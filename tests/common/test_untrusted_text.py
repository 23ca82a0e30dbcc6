"""Texts of another party cannot act on a terminal or imitate other lines."""

from __future__ import annotations

import unicodedata

import grpc
import pytest
from fedjobs_common.errors import ErrorCode, from_grpc
from fedjobs_common.outside_names import path_part
from fedjobs_common.untrusted_text import printable, printable_lines
from hypothesis import given, settings
from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, (ü) [0] 漢字 😀", "plain text, (ü) [0] 漢字 😀"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[2J\x07\x00", "\\x1b[2J\\x07\\x00"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("abc\u202efdp.exe", "abc\\u202efdp.exe"),
        ("\u2066a\u2069\u200b\ufeff\u2028", "\\u2066a\\u2069\\u200b\\ufeff\\u2028"),
        ("\U000e0041\ud800", "\\U000e0041\\ud800"),
    ],
)
def test_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_text_is_cut_and_its_length_is_said() -> None:
    assert printable("a" * 50, 29) == "aaaaaaaaaa... (50 characters)"
    assert printable("\x1b" * 50, 29) == "\\x1b\\x1b... (50 characters)"
    assert printable("a" * 29 + "\x1b", 30) == "aaaaaaaaaaa... (30 characters)"
    assert printable("a" * 10, 10) == printable("a" * 50, 10) == "a" * 10


def test_only_line_feeds_separate_lines() -> None:
    assert printable_lines("a\nb\rc\x0bd\u2028e\n") == "a\nb\\rc\\x0bd\\u2028e\n"


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT)
def test_no_control_character_is_left(text: str) -> None:
    for shown in (printable(text, 100), printable_lines(text).replace("\n", "")):
        assert not [c for c in shown if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]
    assert len(printable(text, 100)) <= 100
    assert len(printable(text, 10)) <= 10


class Failure(grpc.RpcError):
    def __init__(self, details: str) -> None:
        super().__init__()
        self._details = details

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return self._details


def test_the_details_of_a_failed_call_are_one_line() -> None:
    forged = '{"audit": true, "subject": "computation", "decision": "allowed"}'
    known = from_grpc(Failure(f"NotInvited: no\n{forged}\n\x1b[2J"))
    assert (known.code, known.public) == (ErrorCode.NOT_INVITED, f"no\\n{forged}\\n\\x1b[2J")
    assert "\n" not in from_grpc(Failure(f"\n{forged}\n")).public
    assert len(from_grpc(Failure("x" * 100_000)).public) < 3000


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "../x", ".hidden", "-rf", "a\x00", "a\n", "a" * 300, "ä", "a b"]
)
def test_what_is_no_name_of_a_file_is_not_a_part_of_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        path_part(name)
    assert path_part("digits-hospital-a-0f8e7d6c") == "digits-hospital-a-0f8e7d6c"
