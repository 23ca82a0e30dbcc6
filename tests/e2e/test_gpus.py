"""Jobs that ask for a GPU. The node only declares one: the scheduler uses it, and TensorFlow finds none."""

from collections.abc import Iterator

import pytest

from tests.e2e.federations import FEW, Federation, a_job

GPU = "nvidia.com/gpu"


@pytest.fixture
def gpus(federation: Federation) -> Iterator[None]:
    """Declares two GPUs on the node, and sets the label that the silos' files select."""
    kubectl, node = federation.cluster.kubectl, federation.cluster.node
    kubectl("label", "node", node, "accelerator=nvidia", "--overwrite")
    federation.cluster.declare_gpus(len(FEW))
    yield
    federation.cluster.declare_gpus(0)
    kubectl("label", "node", node, "accelerator-")


def a_job_with_gpus(mode: str) -> dict[str, object]:
    return {"gpu": {"mode": mode, "count": 1}}


@pytest.mark.usefixtures("gpus")
def test_a_job_that_requires_gpus_runs_on_nodes_with_gpus(federation: Federation) -> None:
    name = federation.apply(a_job("gpu-required", rounds=2, worker=a_job_with_gpus("Require")))
    for silo in FEW:
        pod = federation.worker_pod(name, silo)
        runner = next(c for c in pod["spec"]["initContainers"] if c["name"] == "runner")
        assert runner["resources"]["limits"][GPU] == "1"
        assert pod["spec"]["nodeSelector"] == {"accelerator": "nvidia"}
    federation.complete(name)


@pytest.fixture(scope="module")
def without(federation: Federation) -> dict[str, str]:
    """Jobs that run without a GPU, by the mode they ask for. Both run in parallel, because silos wait for a GPU."""
    modes = {"Require": "gpu-missing", "Prefer": "gpu-preferred"}
    return {mode: federation.apply(a_job(name, rounds=2, worker=a_job_with_gpus(mode))) for mode, name in modes.items()}


def test_a_job_that_requires_gpus_says_that_there_are_none(federation: Federation, without: dict[str, str]) -> None:
    name = without["Require"]
    failure = federation.wait_for(name, "Failed")
    assert failure["reason"] == "CohortTooSmall"
    assert "gpu" in failure["message"].lower()
    declined = [row for row in federation.status(name)["silos"] if row["state"] == "Declined"]
    assert {row["reason"] for row in declined} == {"gpu"}  # one silo that declines is enough to fail the job


def test_a_job_that_prefers_gpus_runs_without_and_says_so(federation: Federation, without: dict[str, str]) -> None:
    status = federation.complete(without["Prefer"])
    assert {row["device"] for row in status["silos"]} == {"cpu (no GPU was free)"}
