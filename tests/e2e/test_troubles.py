"""Jobs that cannot run: their status gives a reason and a remedy."""

from collections.abc import Iterator

import pytest

from tests.cluster.readiness import wait_until
from tests.e2e.federations import FEW, Federation, a_job

NOBODY = "nobody-home"
MEMORY = {"memory": "40Mi"}


@pytest.fixture(scope="module", autouse=True)
def jobs(federation: Federation) -> Iterator[None]:
    """Runs all jobs at the same time. They are independent, and most of them wait."""
    federation.cluster.kubectl.apply(
        f"{{apiVersion: fedjobs.dev/v1alpha1, kind: Silo, metadata: {{name: {NOBODY}}}, spec: {{}}}}"
    )
    no_quorum = a_job("no-quorum", silos=[*FEW, NOBODY], activeDeadlineSeconds=150)
    no_quorum["spec"]["cohort"]["roundDeadlineSeconds"] = 40
    storage = {"size": "1Gi", "storageClassName": "no-such-class"}
    resources = {"requests": MEMORY, "limits": MEMORY}
    names = [
        federation.apply(job)
        for job in (
            a_job("no-storage", coordinator={"storage": storage}),
            a_job("no-node", coordinator={"nodeSelector": {"disk": "of-gold"}}),
            a_job("no-memory", coordinator={"resources": resources}, backoffLimit=1),
            no_quorum,
            a_job("too-late", activeDeadlineSeconds=45),
        )
    ]
    yield
    for name in names:
        federation.delete(name)
    federation.cluster.kubectl("delete", "silo", NOBODY)


def test_storage_that_does_not_bind(federation: Federation) -> None:
    found = federation.wait_for_reason("no-storage", "CoordinatorReady", "ClaimNotBound")
    assert "storageClassName" in found["message"]


def test_a_coordinator_that_fits_no_node(federation: Federation) -> None:
    found = federation.wait_for_reason("no-node", "CoordinatorReady", "Unschedulable")
    assert "nodeSelector" in found["message"]


def test_a_coordinator_that_runs_out_of_memory(federation: Federation) -> None:
    failure = federation.wait_for("no-memory", "Failed")
    assert failure["reason"] == "OOMKilled"
    assert "spec.coordinator.resources.limits.memory" in failure["message"]
    assert federation.status("no-memory")["restarts"] == 1


def test_a_quorum_that_is_not_reached(federation: Federation) -> None:
    """The third silo exists, but it has no agent. The job waits for it until its own deadline."""
    name = "no-quorum"
    waiting = federation.wait_for(name, "QuorumReached", "False")
    assert NOBODY in waiting["message"]
    failure = federation.wait_for(name, "Failed")
    assert failure["reason"] == "DeadlineExceeded"


def test_a_deadline(federation: Federation) -> None:
    failure = federation.wait_for("too-late", "Failed")
    assert failure["reason"] == "DeadlineExceeded"
    selector = "fedjobs.dev/job=too-late,app.kubernetes.io/component=coordinator"
    wait_until("the job's pods end", lambda: not federation.pods(selector))
