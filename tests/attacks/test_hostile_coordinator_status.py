"""A program controls its coordinator's process, and so the status and the final word that the operator reads.

If the API server refused the status of the job for them, the job would never end, and its silos would stay invited.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_common.jobs.statuses import FinalWord, Phase, ResultLocation, SiloState, SiloStatus

from tests.operator.attempts import an_attempt, at
from tests.operator.builders import a_job, a_report
from tests.operator.worlds import World, in_a_world, listening

HUGE = "x" * 100_000
WORDS: dict[str, dict[str, Any]] = {
    "rounds": {"round": -5, "rounds": 2**70},
    "code": {"code": "no reason!"},
    "long code": {"code": HUGE},
    "terminal": {"message": "\x1b[2J\u202eall is well"},
    "computation": {"computation": HUGE},
    "metrics": {"metrics": {HUGE: 1.0, "\x1b[2J": 2.0, "loss": float("nan")}},
    "result": {"result": {"uri": "s3://x/\x1b[2J" + HUGE, "digest": HUGE}},
    "silos": {"silos": [{"name": "hospital-a", "state": "Ready", "clients": -1, "restarts": 2**70, "reason": HUGE}]},
}


def _check(status: dict[str, Any]) -> None:
    """The API server accepts the status, it is not large, and nothing of it acts on a terminal."""
    parsed = FederatedJobStatus.model_validate(status)
    counts = [parsed.completed_rounds, parsed.total_rounds, parsed.coordinator_generation]
    for row in parsed.silos or ():
        counts += [row.clients, row.restarts]
    assert all(0 <= count < 2**31 for count in counts if count is not None)
    text = json.dumps(status, ensure_ascii=False)
    assert len(text) < 10_000
    assert "\x1b" not in text
    assert "\\u001b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.COMPLETE])
@pytest.mark.parametrize("said", WORDS.values(), ids=WORDS)
def test_a_job_ends_whatever_its_final_word_says(phase: Phase, said: dict[str, Any]) -> None:
    class Hostile(FinalWord):
        def to_json(self) -> bytes:
            return json.dumps({"phase": phase} | said).encode()

    async def test(world: World) -> None:
        await listening(world)
        assert "invitation" in world.status
        word = Hostile(phase=phase).to_json().decode()
        ended = an_attempt()._exited(1 if phase is Phase.FAILED else 0, "Error", word)
        condition = ("Failed", 100, "PodFailurePolicy") if phase is Phase.FAILED else ("Complete", 100)
        world.saw_attempt(ended._ended(*condition))
        world.now = at(110)
        await world.look()
        assert world.status["phase"] == phase
        assert "invitation" not in world.status
        _check(world.status)

    in_a_world(test)


def test_a_report_without_measure_does_not_spoil_the_status() -> None:
    silo = SiloStatus(name="hospital-a", state=SiloState.READY, clients=-1, restarts=2**70, message="\x1b[2J" + HUGE)
    report = a_report(round=2**70, rounds=-1, generation=2**70, silos=[silo] * 50, metrics={HUGE: 1.0, "loss": 0.5})
    report = report.model_copy(update={"computation": HUGE, "result": ResultLocation(uri=HUGE, digest="")})

    async def test(world: World) -> None:
        await listening(world)
        await world.hear(report)
        world.now = at(20)
        await world.look()
        assert world.status["metrics"] == {"loss": "0.5"}
        _check(world.status)
        world.saw(a_job().suspended())
        world.now = at(30)
        await world.look()
        assert "invitation" not in world.status

    in_a_world(test)


def test_a_coordinator_that_changes_its_phase_without_end_causes_few_writes_and_events() -> None:
    async def test(world: World) -> None:
        await listening(world)
        before = world.written(), len(world.api.called("create", "Event"))

        def caused() -> tuple[int, int]:
            return world.written() - before[0], len(world.api.called("create", "Event")) - before[1]

        for number in range(100):
            await world.hear(a_report([Phase.RUNNING, Phase.WAITING_FOR_SILOS][number % 2]))
            await world.look()
        assert max(caused()) <= 20
        assert world.later  # it looks again, so the last change is not lost
        for second in range(20, 120):
            world.now = at(second)
            await world.hear(a_report([Phase.RUNNING, Phase.WAITING_FOR_SILOS][second % 2]))
            await world.look()
        assert max(caused()) <= 20 + 50 + 20
        world.now = at(200)
        await world.hear(a_report(Phase.EXPORTING))
        await world.look()
        assert world.status["phase"] == "Exporting"

    in_a_world(test)
