"""Parses the project's pages: links, headings and code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    text: str


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    for fence in _FENCE.finditer(page.read_text()):
        lines = (line.removeprefix(fence["indent"]) for line in fence["text"].splitlines())
        yield Block(page, fence["language"], "\n".join(lines) + "\n")


def local_links(page: Path) -> list[str]:
    text = _FENCE.sub("", page.read_text())
    return [link["target"] for link in _LINK.finditer(text) if "://" not in link["target"]]


def anchors(page: Path) -> set[str]:
    """Returns the anchors as mkdocs creates them: lower case, without punctuation, words joined by hyphens."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


def commands(program: str) -> list[tuple[Path, str]]:
    """Returns a program's command lines in the console blocks of all pages (`$ ` before each) and in the Makefile."""
    pattern = re.compile(rf"^\$ (?:[\w./]*/|uv run )?{program} (?P<rest>[^#\n]*)", re.MULTILINE)
    lines = [
        (page, match["rest"].strip())
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for match in pattern.finditer(block.text)
    ]
    makefile = ROOT / "Makefile"
    recipes = re.findall(rf"^\t\$\(BIN\)/{program} (.*)$", makefile.read_text(), re.MULTILINE)
    return lines + [(makefile, recipe) for recipe in recipes]
