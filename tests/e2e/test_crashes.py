"""A job completes whichever process is killed, and repeats no finished round.

All kills happen to one training with many rounds. The test compares its model with that of a run on this machine.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.readiness import wait_until
from tests.e2e.commands import PATIENCE
from tests.e2e.federations import FEW, Federation, a_job, a_training, finished_rounds
from tests.e2e.installations import OPERATOR_NAMESPACE
from tests.e2e.local_runs import LocalRun, local_run

TRAINING = "killed"
ROUNDS = 400  # enough for the training to last until the last kill


def kill_operator(federation: Federation, _name: str) -> None:
    selector = ("--selector=app.kubernetes.io/component=operator", "-o", "jsonpath={.items[0].metadata.name}")
    pod = federation.cluster.kubectl("get", "pods", f"--namespace={OPERATOR_NAMESPACE}", *selector)
    federation.cluster.kill_container(OPERATOR_NAMESPACE, pod, "operator")


def kill_coordinator(federation: Federation, name: str) -> None:
    federation.cluster.kill_container(federation.namespace, federation.coordinator_pod(name), "coordinator")


def kill_session(federation: Federation, name: str) -> None:
    federation.kill_in_worker(name, FEW[0], "session")


def kill_runner(federation: Federation, name: str) -> None:
    federation.kill_in_worker(name, FEW[0], "runner")


def drain_node(federation: Federation, name: str) -> None:
    """Evicts all pods of the job, the agents and the operator. Hub and front door have disruption budgets."""
    kubectl, node = federation.cluster.kubectl, federation.cluster.node
    before = federation.coordinator_pod(name)
    evicted = "--pod-selector=app.kubernetes.io/component notin (hub, front-door)"
    arguments = (evicted, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
    try:
        kubectl("drain", node, *arguments)
        with contextlib.suppress(ValueError, ClusterError):
            assert federation.coordinator_pod(name) != before
    finally:
        kubectl("uncordon", node)


@pytest.fixture(scope="module")
def undisturbed(federation: Federation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """The same training on this machine, in parallel, without kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with local_run(a_training(TRAINING, rounds=ROUNDS), folder) as running:
        yield running


@pytest.fixture(scope="module")
def training(federation: Federation, undisturbed: LocalRun) -> Iterator[str]:
    """One training for all tests. It survives each of them."""
    name = federation.apply(a_training(TRAINING, rounds=ROUNDS))
    federation.wait_for_round(name, 3)
    yield name
    federation.delete(name)  # it still runs if only some tests were selected


@pytest.mark.parametrize("kill", [kill_operator, kill_session, kill_runner, kill_coordinator, drain_node])
def test_a_job_continues_without_repeating_a_round(
    federation: Federation, training: str, kill: Callable[[Federation, str], None]
) -> None:
    before = federation.status(training)
    assert "result" not in before, "the job is complete: increase ROUNDS"
    restarts = before["restarts"] + (1 if kill is kill_coordinator else 0)

    kill(federation, training)

    wait_until(
        "the job's status counts the restart",
        lambda: federation.status(training)["restarts"] >= restarts,
        seconds=PATIENCE,
    )
    federation.wait_for_rounds(training, 3)
    done = federation.progress(training)
    assert done == list(range(1, len(done) + 1))
    assert federation.status(training)["restarts"] == restarts


def test_a_job_that_was_killed_completes_with_the_model_of_one_that_was_not(
    federation: Federation, training: str, undisturbed: LocalRun, tmp_path: Path
) -> None:
    federation.complete(training)
    result = federation.fetch(training, tmp_path)
    assert finished_rounds(tmp_path) == list(range(1, ROUNDS + 1))
    assert result["model"]["digest"] == undisturbed.model_digest()


def test_deleting_a_running_job_deletes_all_its_objects(federation: Federation) -> None:
    name = federation.apply(a_job("deleted", coordinator={"storage": {"whenDeleted": "Delete"}}))
    federation.wait_for_round(name, 1)
    uid = federation.job(name)["metadata"]["uid"].replace("-", "")[:16]
    route = ("get", "service", f"j-{uid}", f"--namespace={OPERATOR_NAMESPACE}", "--ignore-not-found", "-o", "name")
    assert federation.cluster.kubectl(*route).strip()

    federation.kubectl("delete", "federatedjob", name, "--timeout=60s")

    kinds = "jobs,pods,services,configmaps,secrets,persistentvolumeclaims,networkpolicies"
    selector = ("get", kinds, "--selector", f"fedjobs.dev/job={name}", "-o", "name")
    places = [federation.kubectl, *(site.kubectl for site in federation.sites.values())]
    wait_until("all objects of the job are deleted", lambda: not any(kubectl(*selector).strip() for kubectl in places))
    wait_until(
        "the job's route through the front door is deleted", lambda: not federation.cluster.kubectl(*route).strip()
    )
