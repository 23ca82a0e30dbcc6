"""Writes the generated parts of the pages, or checks that they are what would be written.

    python -m docs.reference            write
    python -m docs.reference --check    exit 1 and name the page that has drifted

A page marks such a part with `<!-- generated: errors -->`, `<!-- generated: exit codes -->`,
`<!-- generated: failure classes -->`, `<!-- generated: intrinsics -->` or
`<!-- generated: fields package.module:Model -->`, and ends it with
`<!-- end -->`.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path

from fedjobs_compute import intrinsics

from docs.reference import catalogue, exit_codes, failure_classes, fields

PAGES = Path(__file__).resolve().parents[1]
_PART = re.compile(r"(?P<begin><!-- generated: (?P<what>.+?) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def content(what: str) -> str:
    """The generated text that a marker asks for."""
    if what == "errors":
        return catalogue.table()
    if what == "exit codes":
        return exit_codes.table()
    if what == "failure classes":
        return failure_classes.table()
    if what == "intrinsics":
        return intrinsics.table()
    name = what.removeprefix("fields ")
    module, _, model = name.partition(":")
    return fields.table(getattr(importlib.import_module(module), model))


def updated(page: str) -> str:
    """A page with its generated parts as they should be."""
    return _PART.sub(lambda part: f"{part['begin']}\n{content(part['what'])}\n\n{part['end']}", page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page has drifted")
    check = parser.parse_args().check
    drifted = []
    for path in sorted(PAGES.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        if (wanted := updated(page)) != page:
            drifted.append(path.relative_to(PAGES.parent))
            if not check:
                path.write_text(wanted, encoding="utf-8")
    for path in drifted if check else ():
        print(f"{path} is not what the code says: run `make reference`", file=sys.stderr)  # noqa: T201
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
