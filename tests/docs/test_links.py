from pathlib import Path

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, anchors, local_links, name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_local_link_has_a_target(page: Path) -> None:
    for link in local_links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}, which does not exist"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to {link}, but {name(target)} has no such heading"


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(ROOT / "docs")], ids=name)
def test_a_page_of_the_site_links_only_within_the_site(page: Path) -> None:
    for link in local_links(page):
        target = (page.parent / link.partition("#")[0]).resolve()
        assert target.is_relative_to(ROOT / "docs"), f"{name(page)} links to {link}, which is not part of the site"


def test_the_site_navigates_to_every_page() -> None:
    def listed(nav: object) -> set[str]:
        if isinstance(nav, dict):
            return listed(list(nav.values()))
        return {str(nav)} if isinstance(nav, str) else set().union(*(listed(entry) for entry in list(nav)))  # type: ignore[call-overload]

    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]) == pages
