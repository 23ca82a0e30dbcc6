"""The operator's cache of the cluster's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_operator.cluster.cache import Cache

from tests.operator.attempts import UID, Body, an_attempt
from tests.operator.builders import a_job, a_silo_object

KEY = ("team", "digits")


def at_version(body: Body, version: int, **changes: Any) -> Body:
    return body | {"metadata": body["metadata"] | {"resourceVersion": str(version)}} | changes


def uids(bodies: list[Mapping[str, Any]]) -> list[str]:
    return [body["metadata"]["uid"] for body in bodies]


def a_cache_of(*bodies: Body) -> Cache:
    objects = Cache()
    for body in bodies:
        objects.saw_job(body, deleted=False)
    return objects


def test_a_job_is_found_by_namespace_and_name() -> None:
    objects = a_cache_of(a_job().body)
    assert objects.job(KEY) == a_job().body
    assert (objects.jobs(), objects.job(("team", "other"))) == ([KEY], None)


def test_an_old_event_does_not_replace_a_newer_response() -> None:
    body = a_job().body
    objects = a_cache_of(at_version(body, 10, status={"phase": "Running"}), at_version(body, 9))
    found = objects.job(KEY)
    assert found is not None
    assert found["status"] == {"phase": "Running"}


def test_versions_are_numbers() -> None:
    objects = a_cache_of(at_version(a_job().body, 9), at_version(a_job().body, 10))
    found = objects.job(KEY)
    assert found is not None
    assert found["metadata"]["resourceVersion"] == "10"


def test_a_recreated_job_replaces_the_old_one_whatever_its_version() -> None:
    objects = a_cache_of(at_version(a_job().body, 10), at_version(a_job().with_("metadata.uid", "new").body, 2))
    found = objects.job(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "new"


def test_a_deleted_job_removes_its_children_from_the_cache() -> None:
    objects = a_cache_of(a_job().body)
    objects.saw_child("Job", an_attempt().job, deleted=False)
    objects.saw_job(a_job().body, deleted=True)
    assert (objects.job(KEY), objects.children(UID, "Job"), objects.phases()) == (None, [], {})


def test_children_are_found_by_the_jobs_uid_and_their_kind() -> None:
    objects = a_cache_of(a_job().body)
    assert objects.saw_child("Job", an_attempt(1).job, deleted=False) == KEY
    assert objects.saw_child("Pod", an_attempt(1).pod or {}, deleted=False) == KEY
    assert uids(objects.children(UID, "Job")) == ["job-1"]
    assert objects.children("another", "Job") == []


def test_children_may_be_seen_before_their_job() -> None:
    objects = Cache()
    assert objects.saw_child("Job", an_attempt(1).job, deleted=False) is None
    objects.saw_job(a_job().body, deleted=False)
    assert uids(objects.children(UID, "Job")) == ["job-1"]


def test_a_deleted_child_is_removed() -> None:
    objects = a_cache_of(a_job().body)
    objects.saw_child("Job", an_attempt(1).job, deleted=False)
    objects.saw_child("Job", an_attempt(2).job, deleted=False)
    assert objects.saw_child("Job", an_attempt(1).job, deleted=True) == KEY
    assert uids(objects.children(UID, "Job")) == ["job-2"]
    assert objects.saw_child("Job", an_attempt(1).job, deleted=True) == KEY  # the same event again


def test_a_child_without_the_label_belongs_to_no_job() -> None:
    objects = Cache()
    body = {"metadata": {"name": "a", "uid": "1", "resourceVersion": "1"}}
    assert objects.saw_child("Pod", body, deleted=False) is None


def test_unused_fields_are_dropped() -> None:
    body = a_job().with_("metadata.managedFields", [{"manager": "kubectl"}]).body
    found = a_cache_of(body).job(KEY)
    assert found is not None
    assert "managedFields" not in found["metadata"]
    assert "managedFields" in body["metadata"]  # the caller's object is unchanged


def test_a_late_deletion_event_does_not_remove_the_successor() -> None:
    successor = a_job().with_("metadata.uid", "new").body
    objects = a_cache_of(a_job().body, successor)
    objects.saw_job(a_job().body, deleted=True)
    assert objects.job(KEY) == successor
    child = an_attempt(1).job
    objects.saw_child("Job", child, deleted=False)
    objects.saw_child("Job", child | {"metadata": child["metadata"] | {"uid": "earlier"}}, deleted=True)
    assert uids(objects.children(UID, "Job")) == ["job-1"]


def test_only_the_used_fields_of_a_child_are_kept() -> None:
    objects = a_cache_of(a_job().body)
    pod = an_attempt(1).ready().pod or {}
    objects.saw_child("Pod", pod | {"spec": {"nodeName": "node-1", "containers": [{}]}}, deleted=False)
    (found,) = objects.children(UID, "Pod")
    assert found["spec"] == {"nodeName": "node-1"}
    assert found["status"] == pod["status"]


def test_only_the_job_itself_is_kept_after_it_has_ended() -> None:
    over = {"phase": "Complete", "conditions": [{"type": "Complete", "status": "True"}]}
    body = at_version(a_job().body, 2, status=over)
    objects = a_cache_of(a_job().body)
    objects.saw_child("Job", an_attempt(1).job, deleted=False)
    objects.saw_job(body, deleted=False)
    assert objects.saw_child("Job", an_attempt(1).job, deleted=False) is None
    assert (objects.job(KEY), objects.children(UID, "Job"), objects.phases()) == (body, [], {"Complete": 1})


def test_only_changes_of_a_silo_that_matter_to_jobs_are_reported() -> None:
    objects = Cache()
    silo = a_silo_object("a")
    assert objects.saw_silo(silo, deleted=False)
    assert not objects.saw_silo(silo | {"status": {"lastHeartbeatTime": "2026-01-31T12:00:00Z"}}, deleted=False)
    assert objects.saw_silo(silo | {"spec": {"suspend": True}}, deleted=False)
    assert objects.saw_silo(silo, deleted=True)
    assert objects.silos() == ()


def test_silos_come_in_the_order_of_their_names() -> None:
    objects = Cache()
    for name in "cab":
        objects.saw_silo(a_silo_object(name), deleted=False)
    assert [silo.name for silo in objects.silos()] == ["a", "b", "c"]


def test_jobs_are_counted_by_phase() -> None:
    objects = a_cache_of(a_job().body, a_job().called("two").body | {"status": {"phase": "Running"}})
    assert objects.phases() == {"Pending": 1, "Running": 1}


def test_a_list_of_silos_does_not_undo_newer_events() -> None:
    objects = Cache()
    for silo in (a_silo_object("suspended"), a_silo_object("deleted"), a_silo_object("gone")):
        objects.saw_silo(silo, deleted=False)
    known = objects.silo_versions()
    objects.saw_silo(a_silo_object("suspended", 3, suspended=True), deleted=False)
    objects.saw_silo(a_silo_object("new", 4), deleted=False)
    objects.saw_silo(a_silo_object("deleted", 5), deleted=True)
    objects.saw_all_silos([a_silo_object("suspended"), a_silo_object("deleted"), a_silo_object("missed", 2)], known)
    assert [(silo.name, silo.suspended) for silo in objects.silos()] == [
        ("missed", False),
        ("new", False),
        ("suspended", True),
    ]
