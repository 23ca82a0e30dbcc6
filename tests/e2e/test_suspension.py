"""A suspended job has no pods. After it is resumed, it continues with its current round."""

from pathlib import Path

from tests.cluster.readiness import wait_until
from tests.e2e.federations import Federation, a_job, finished_rounds

ROUNDS = 100


def test_suspend_and_resume(federation: Federation, tmp_path: Path) -> None:
    name = federation.apply(a_job("suspended", rounds=ROUNDS))
    federation.wait_for_round(name, 3)

    federation.fedjobs("suspend", name)
    federation.wait_for(name, "Suspended")
    wait_until("all pods of the job are deleted", lambda: not _running(federation, name))
    done = federation.status(name)["completedRounds"]
    federation.fedjobs("resume", name)

    status = federation.complete(name)
    federation.fetch(name, tmp_path)
    assert finished_rounds(tmp_path) == list(range(1, ROUNDS + 1))
    assert 0 < done < ROUNDS
    assert status["restarts"] == 0


def _running(federation: Federation, name: str) -> list[str]:
    pods = federation.pods_of(name)
    return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]
