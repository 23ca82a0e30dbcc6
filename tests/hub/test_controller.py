"""The hub's periodic work continues even if some objects are invalid."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_hub import names

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.hub.hubs import running_federation
from tests.hub.test_workers import worker, worker_token

pytestmark = pytest.mark.api_server


def test_an_unreadable_invitation_does_not_affect_other_silos(api_server: ApiServer, tmp_path: Path) -> None:
    with running_federation(api_server, tmp_path) as federation:
        copied = {"name": names.invitation("a-copied-one"), "namespace": federation.namespace}
        federation.apply({"apiVersion": "v1", "kind": "Secret", "metadata": copied})
        federation.silo("a-copied-one")
        federation.silo("b-after-it")
        assert federation.token("b-after-it")


def test_the_lease_of_a_worker_is_deleted_after_its_certificate_expires(api_server: ApiServer, tmp_path: Path) -> None:
    with running_federation(
        api_server, tmp_path, lifetimes=("--worker-certificate-lifetime-seconds", "2")
    ) as federation:
        agent = federation.enrolled("short-worker")
        job = federation.job(["short-worker"])
        worker(federation, worker_token(federation, agent, job))

        def leases() -> str:
            labels = f"{names.ROLE}={names.WORKER},{names.JOB_UID}={job}"
            return federation.server.kubectl("get", "leases", "-n", federation.namespace, "-l", labels, "-o", "name")

        assert len(leases().split()) == 1
        wait_until("the hub deletes the Lease", lambda: not leases())
