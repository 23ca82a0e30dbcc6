"""Whatever is killed, the job completes, and no round that was finished is done again."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.readiness import wait_until
from tests.e2e.federations import FEW, Federation, a_job, finished_rounds
from tests.e2e.installations import OPERATOR_NAMESPACE

ROUNDS = 300


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
    """All pods of the job, the agents, the operator, the hub and the front door have to go, and may come back."""
    kubectl, node = federation.cluster.kubectl, federation.cluster.node
    before = federation.coordinator_pod(name)
    arguments = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
    try:
        kubectl("drain", node, *arguments)
        with contextlib.suppress(ValueError, ClusterError):
            assert federation.coordinator_pod(name) != before
    finally:
        kubectl("uncordon", node)


@pytest.mark.parametrize("kill", [kill_operator, kill_coordinator, kill_session, kill_runner, drain_node])
def test_a_job_completes_without_repeating_a_round(
    federation: Federation, kill: Callable[[Federation, str], None], undisturbed: str, tmp_path: Path
) -> None:
    name = kill.__name__.replace("_", "-")
    federation.apply(a_job(name, rounds=ROUNDS))
    federation.wait_for_round(name, 3)

    kill(federation, name)

    status = federation.complete(name)
    result = federation.fetch(name, tmp_path)
    assert finished_rounds(tmp_path) == list(range(1, ROUNDS + 1))
    assert result["model"]["digest"] == undisturbed
    assert status["restarts"] == (1 if kill is kill_coordinator else 0)


@pytest.fixture(scope="module")
def undisturbed(federation: Federation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the model where nobody is killed."""
    name = federation.apply(a_job("undisturbed", rounds=ROUNDS))
    federation.complete(name)
    return str(federation.fetch(name, tmp_path_factory.mktemp("undisturbed"))["model"]["digest"])


def test_a_job_deleted_while_it_runs_takes_all_that_is_its_own_along(federation: Federation) -> None:
    name = federation.apply(
        a_job("deleted", rounds=5000, silos=FEW, coordinator={"storage": {"whenDeleted": "Delete"}})
    )
    federation.wait_for_round(name, 1)
    uid = federation.job(name)["metadata"]["uid"].replace("-", "")[:16]
    route = ("get", "service", f"j-{uid}", f"--namespace={OPERATOR_NAMESPACE}", "--ignore-not-found", "-o", "name")
    assert federation.cluster.kubectl(*route).strip()

    federation.kubectl("delete", "federatedjob", name, "--timeout=60s")

    kinds = "jobs,pods,services,configmaps,secrets,persistentvolumeclaims,networkpolicies"
    selector = ("get", kinds, "--selector", f"fedjobs.dev/job={name}", "-o", "name")
    places = [federation.kubectl, *(site.kubectl for site in federation.sites.values())]
    wait_until("nothing is left", lambda: not any(kubectl(*selector).strip() for kubectl in places))
    wait_until("its way through the front door is gone", lambda: not federation.cluster.kubectl(*route).strip())
