"""What a person gets who asks for what cannot be: a reason, and what to do about it."""

from tests.cluster.readiness import wait_until
from tests.e2e.federations import FEW, Federation, a_job


def test_storage_that_does_not_bind(federation: Federation) -> None:
    storage = {"storage": {"size": "1Gi", "storageClassName": "no-such-class"}}
    name = federation.apply(a_job("no-storage", coordinator=storage))
    found = federation.wait_for_reason(name, "CoordinatorReady", "StorageNotBound")
    assert "storageClassName" in found["message"]
    federation.delete(name)


def test_a_coordinator_that_no_node_takes(federation: Federation) -> None:
    name = federation.apply(a_job("no-node", coordinator={"nodeSelector": {"disk": "of-gold"}}))
    found = federation.wait_for_reason(name, "CoordinatorReady", "Unschedulable")
    assert "nodeSelector" in found["message"]
    federation.delete(name)


def test_a_coordinator_that_runs_out_of_memory(federation: Federation) -> None:
    resources = {"requests": {"memory": "100Mi"}, "limits": {"memory": "100Mi"}}
    name = federation.apply(a_job("no-memory", coordinator={"resources": resources}, backoffLimit=1))
    failure = federation.wait_for(name, "Failed")
    assert failure["reason"] == "OOMKilled"
    assert "spec.coordinator.resources.limits.memory" in failure["message"]
    assert federation.status(name)["restarts"] == 1


def test_a_quorum_that_is_not_reached(federation: Federation) -> None:
    """The third silo is known, but nobody runs it."""
    silo = "nobody-home"
    federation.cluster.kubectl.apply(
        f"{{apiVersion: fedjobs.dev/v1alpha1, kind: Silo, metadata: {{name: {silo}}}, spec: {{}}}}"
    )
    job = a_job("no-quorum", silos=[*FEW, silo])
    job["spec"]["cohort"]["roundDeadlineSeconds"] = 40
    name = federation.apply(job)
    waiting = federation.wait_for(name, "QuorumReached", "False")
    assert silo in waiting["message"]
    failure = federation.wait_for(name, "Failed")
    assert failure["reason"] == "CohortTooSmall"
    assert silo in failure["message"]
    federation.cluster.kubectl("delete", "silo", silo)


def test_a_deadline(federation: Federation) -> None:
    name = federation.apply(a_job("too-late", rounds=100_000, activeDeadlineSeconds=45))
    failure = federation.wait_for(name, "Failed")
    assert failure["reason"] == "DeadlineExceeded"
    wait_until(
        "its pods end", lambda: not federation.pods(f"fedjobs.dev/job={name},app.kubernetes.io/component=coordinator")
    )
