from __future__ import annotations

from typing import Any

import pytest
from fedjobs_hub.cluster.cache import Cache

Seen = tuple[str, str]


def body(name: str, version: int, *, uid: str = "", text: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}, "text": text}


@pytest.fixture
def changes() -> list[tuple[Seen | None, Seen | None]]:
    return []


@pytest.fixture
def cache(changes: list[tuple[Seen | None, Seen | None]]) -> Cache[Seen]:
    return Cache(
        lambda found: (found["metadata"]["name"], found["text"]),
        lambda value: value[0],
        lambda before, after: changes.append((before, after)),
    )


def test_a_list_replaces_the_cache(cache: Cache[Seen]) -> None:
    cache.listed([body("a", 1), body("b", 2)], "5")
    cache.listed([body("b", 6)], "7")
    assert list(cache) == [("b", "")]


def test_objects_newer_than_a_list_stay(cache: Cache[Seen]) -> None:
    cache.listed([], "5")
    cache.answered(body("a", 9, text="new"))
    cache.listed([body("a", 6, text="old")], "8")
    assert cache.get("a") == ("a", "new")
    cache.listed([], "8")
    assert cache.get("a") == ("a", "new")


def test_an_older_event_changes_nothing(cache: Cache[Seen], changes: list[object]) -> None:
    cache.listed([body("a", 1)], "5")
    cache.answered(body("a", 9, text="new"))
    cache.happened(body("a", 7, text="old"), deleted=False)
    assert cache.get("a") == ("a", "new")
    assert changes == [(None, ("a", "")), (("a", ""), ("a", "new"))]


def test_a_late_response_does_not_restore_a_deleted_object(cache: Cache[Seen]) -> None:
    cache.listed([body("a", 1)], "5")
    cache.happened(body("a", 6), deleted=True)
    cache.answered(body("a", 1))
    assert cache.get("a") is None


def test_a_response_may_come_before_its_event(cache: Cache[Seen]) -> None:
    cache.listed([], "5")
    cache.answered(body("a", 6))
    assert cache.get("a") == ("a", "")


def test_the_deletion_of_an_old_object_does_not_remove_a_new_one_of_its_name(cache: Cache[Seen]) -> None:
    cache.listed([body("a", 1, uid="old")], "5")
    cache.answered(body("a", 8, uid="new", text="new"))
    cache.happened(body("a", 7, uid="old"), deleted=True)
    assert cache.get("a") == ("a", "new")


def test_unchanged_objects_cause_no_notification(cache: Cache[Seen], changes: list[object]) -> None:
    cache.listed([body("a", 1)], "5")
    cache.happened(body("a", 6), deleted=False)
    cache.listed([body("a", 6)], "7")
    assert changes == [(None, ("a", ""))]


def test_an_unreadable_object_does_not_hide_others(cache: Cache[Seen]) -> None:
    broken = {"metadata": {"name": "broken", "uid": "u", "resourceVersion": "3"}}
    cache.listed([broken, body("a", 1)], "5")
    assert list(cache) == [("a", "")]
    cache.answered(body("b", 6))
    assert cache.get("b") == ("b", "")
