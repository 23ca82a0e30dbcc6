"""Each claim of the threat model names tests, and these tests exist."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
CLAIMS = "shown by"


@functools.cache
def names_of_tests(file: str) -> frozenset[str]:
    """Returns the names of the tests in a file, including those in classes."""
    tree = ast.parse((ROOT / file).read_text())
    found = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in found if name.startswith("test_"))


def claims() -> Iterator[str]:
    """Yields the rows of all tables that name tests for their claims."""
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        head, _, *rows = table.splitlines()
        if CLAIMS in head:
            yield from rows


@pytest.mark.parametrize(("file", "test"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_each_named_test_exists(file: str, test: str) -> None:
    assert (ROOT / file).exists(), f"there is no {file}"
    assert test in names_of_tests(file), f"{file} has no {test}"


@pytest.mark.parametrize("claim", list(claims()))
def test_each_claim_names_a_test(claim: str) -> None:
    assert re.search(r"`tests/[\w/]+\.py::test_\w+` *\|$", claim), claim


def test_each_part_says_what_does_not_hold() -> None:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    silent = [part.splitlines()[0] for part in parts if CLAIMS in part and "**Does not hold" not in part]
    assert not silent
