from pathlib import Path

import pytest
from fedjobs.cluster.api_errors import INSTALL
from fedjobs.exits import Exit
from fedjobs_agent import command_line
from fedjobs_common.errors import ErrorCode
from fedjobs_common.models import Model
from pydantic import Field

from docs.reference.__main__ import updated
from docs.reference.catalogue import MEANINGS
from docs.reference.fields import table
from tests.docs.pages import PAGES, ROOT, name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_generated_parts_match_the_code(page: Path) -> None:
    text = page.read_text()
    assert updated(text) == text, "run `make reference`"


def test_every_error_code_is_explained() -> None:
    assert set(MEANINGS) == set(ErrorCode)


def test_a_superseded_agent_has_the_commands_exit_status() -> None:
    assert Exit(command_line.EXIT_SUPERSEDED) is Exit.SUPERSEDED


def test_the_install_hint_matches_the_page() -> None:
    assert f"$ {INSTALL}\n" in (ROOT / "docs/cluster.md").read_text()


class Inner(Model):
    long_name: int = Field(ge=1)
    """What it is."""


class Outer(Model):
    inner: Inner | None = None
    items: list[Inner] = Field(default_factory=list)
    by_name: dict[str, Inner] = Field(default_factory=dict)


def test_fields_are_listed_with_paths_and_descriptions() -> None:
    rows = table(Outer).splitlines()
    for path in ("inner.longName", "items[].longName", "byName.<name>.longName"):
        assert f"| `{path}` | integer ≥ 1 | required | What it is. |" in rows
