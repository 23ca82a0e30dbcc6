from __future__ import annotations

from typing import Any

import pytest
from fedjobs.cluster import reader_pods
from fedjobs.cluster.reader_pods import Mount
from fedjobs_api.coordinators import CONTAINER

from tests.client.cluster.conftest import Person
from tests.client.cluster.jobs_on_a_cluster import AJob, a_coordinator_job

MOUNTS = [Mount("digits-coordinator", "/state"), Mount("models", "/output")]


def a_reader(**pod_spec: Any) -> dict[str, Any]:
    coordinator = a_coordinator_job()
    coordinator["spec"]["template"]["spec"] |= pod_spec
    return reader_pods.manifest(AJob().body, coordinator, MOUNTS, "digits-result-abc")


def test_it_has_the_coordinators_image_and_scheduling() -> None:
    reader = a_reader(nodeSelector={"disk": "fast"}, tolerations=[{"key": "a", "operator": "Exists"}])
    [container] = reader["spec"]["containers"]
    assert container["image"] == "coordinator:1"
    assert reader["spec"]["nodeSelector"] == {"disk": "fast"}
    assert reader["spec"]["tolerations"] == [{"key": "a", "operator": "Exists"}]
    assert reader["spec"]["securityContext"]["fsGroup"] == 65532


def test_it_is_read_only_and_limited_in_time_and_owned_by_the_job() -> None:
    reader = a_reader()
    [container] = reader["spec"]["containers"]
    assert [(m["mountPath"], m["readOnly"]) for m in container["volumeMounts"]] == [("/state", True), ("/output", True)]
    assert reader["spec"]["activeDeadlineSeconds"] == reader_pods.LIFE_S
    [owner] = reader["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("FederatedJob", AJob().body["metadata"]["uid"])
    assert "controller" not in owner


def test_it_does_not_match_the_selectors_of_coordinators() -> None:
    labels = a_reader()["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] != CONTAINER
    assert (
        labels["app.kubernetes.io/managed-by"]
        != a_coordinator_job()["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    )


@pytest.mark.api_server
def test_a_restricted_namespace_accepts_it(admin: Person) -> None:
    kubectl, namespace = admin.server.kubectl, admin.namespace
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    kubectl("create", "serviceaccount", "default", "-n", namespace)
    reader = a_reader()
    reader["metadata"]["namespace"] = namespace
    core = admin.connection().core
    made = core.create_namespaced_pod(namespace, reader, dry_run="All", field_validation="Strict")
    assert made.metadata.name == "digits-result-abc"
