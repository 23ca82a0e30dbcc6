"""When and why the agent reports that a worker cannot start."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.planning.observations import NOT_STARTED, Worker, WorkerPod
from fedjobs_agent.planning.planner import Gpus
from fedjobs_agent.workers.hindrances import NO_POD, NOT_ALLOWED, REFUSED_AGAIN_S, Hindrances, hindrance
from fedjobs_common.errors import ErrorCode, FedjobsError

from tests.agent.builders import SILO, a_pod, a_worker, an_invitation

INVITATION = an_invitation()
WORKER = a_worker(INVITATION)
PATIENCE = 120.0
GPUS = Gpus(True, 60, {}, "example.org/gpu")
IMAGE = "ImagePullBackOff in its container session"


class Known:
    """Further information about a worker that does not start."""

    text = "FailedMount"

    def hindrance(self, _: Worker) -> str:
        if not self.text:
            raise FedjobsError(ErrorCode.UNAVAILABLE, "away")
        return self.text


class Looks:
    """A series of looks at times that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.known = Known()
        config = AgentConfig(silo=SILO, image="i", start_deadline_seconds=PATIENCE)
        self.hindrances = Hindrances(config, self.known, lambda: self.now)  # type: ignore[arg-type]

    def at(self, now: float, *pods: WorkerPod, workers: Sequence[Worker] = (WORKER,)) -> str:
        self.now = now
        return self.hindrances.look([INVITATION.received], workers, pods, GPUS).get(INVITATION.id, "")


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.mark.parametrize(
    ("worker", "pod", "why"),
    [
        ({}, {"unstarted": IMAGE}, IMAGE),
        ({}, {}, ""),
        ({"finished_at": 1.0}, {"unstarted": IMAGE}, ""),
        ({"ending": True}, {"unstarted": IMAGE}, ""),
        ({}, {"unstarted": IMAGE, "gone_by": 1.0}, ""),
        ({"gpu": True}, {"unstarted": "x", "unschedulable_since": 1.0, "unschedulable_message": "cpu"}, "x"),
        (
            {"gpu": True},
            {"unstarted": "x", "unschedulable_since": 1.0, "unschedulable_message": "Insufficient example.org/gpu"},
            "",
        ),
    ],
    ids=["cannot start", "runs", "ended", "ending", "pod goes", "no node for a GPU's worker", "waits for a GPU"],
)
def test_only_a_worker_that_should_run_has_a_hindrance(
    worker: dict[str, object], pod: dict[str, object], why: str
) -> None:
    of = a_worker(INVITATION, **worker)
    assert hindrance(of, [a_pod(of, **pod)], GPUS) == why


def test_a_worker_without_a_pod_has_a_hindrance() -> None:
    assert hindrance(WORKER, [], GPUS) == NO_POD


def test_a_hindrance_is_reported_after_it_has_lasted(looks: Looks) -> None:
    pod = a_pod(WORKER, unstarted=IMAGE)
    assert looks.at(0, pod) == ""
    assert looks.hindrances.again_in_s == PATIENCE
    assert looks.at(PATIENCE - 1, pod) == ""
    told = looks.at(PATIENCE, pod)
    assert told == f"The worker of silo {SILO} cannot start: {IMAGE}. The silo's administrator can see the details."
    assert looks.hindrances.again_in_s is None
    assert looks.at(PATIENCE + 1, a_pod(WORKER)) == ""


def test_a_hindrance_that_passes_is_not_reported(looks: Looks) -> None:
    pod = a_pod(WORKER, unstarted=IMAGE)
    looks.at(0, pod)
    looks.at(100, a_pod(WORKER))
    assert looks.at(PATIENCE + 1, pod) == ""


def test_an_unspecific_hindrance_gets_further_information(looks: Looks) -> None:
    pod = a_pod(WORKER, unstarted=NOT_STARTED)
    looks.at(0, pod)
    assert f"{NOT_STARTED} (FailedMount)." in looks.at(PATIENCE, pod)
    looks.known.text = ""
    assert f"{NOT_STARTED}." in looks.at(PATIENCE, pod)


def test_a_worker_that_may_not_be_created_is_retried_after_a_delay(looks: Looks) -> None:
    received = INVITATION.received
    assert looks.hindrances.may_start(received)
    looks.hindrances.refused(received)
    looks.at(1, workers=[])
    assert not looks.hindrances.may_start(received)
    assert NOT_ALLOWED in looks.at(1 + PATIENCE, workers=[])
    assert PATIENCE > REFUSED_AGAIN_S
    assert looks.hindrances.may_start(received)
    assert looks.at(2 + PATIENCE, a_pod(WORKER)) == ""
    assert looks.at(3 + PATIENCE, workers=[]) == ""
