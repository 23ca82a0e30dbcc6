"""Accepted jobs, and the manifests of their coordinators."""

from __future__ import annotations

from typing import Any

from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_operator.children import config_maps
from fedjobs_operator.children.coordinator_jobs import coordinator_job
from fedjobs_operator.planning.acceptance import Accepted, accept

from tests.operator.builders import REF, SETTINGS, AJob, a_job, a_silo


def accepted(job: AJob, *silos: str) -> Accepted:
    found = accept(
        job.body, [a_silo(name) for name in silos or ("hospital-a", "hospital-b")], None, SETTINGS.own_namespaces
    )
    assert isinstance(found, Accepted), found
    return found


def parsed(job: AJob) -> FederatedJob:
    return accepted(job).job


def the_job(job: AJob | None = None, attempt: int = 1) -> dict[str, Any]:
    found = accepted(job or a_job())
    return coordinator_job(REF, found.job, attempt, SETTINGS, config_maps.digest(found.resolved))


def the_pod(job: AJob | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = the_job(job)["spec"]["template"]["spec"]
    return spec


def the_container(job: AJob | None = None) -> dict[str, Any]:
    (container,) = the_pod(job)["containers"]
    return dict(container)


def volume(job: AJob, name: str) -> dict[str, Any]:
    (found,) = [volume for volume in the_pod(job)["volumes"] if volume["name"] == name]
    return dict(found)
