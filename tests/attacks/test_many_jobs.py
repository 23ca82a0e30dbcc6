"""A job's owner or a hub invites a silo to very many jobs. Each worker has processes, one of them with TensorFlow."""

from __future__ import annotations

from dataclasses import replace

from fedjobs_agent.planning.planner import CLUSTER_RULE, Decline, Gpus, Plan, Start, plan

from tests.agent.builders import AnInvitation, a_worker, an_invitation

INVITATIONS = [an_invitation(f"job-{number}") for number in range(200)]


def _planned(running: list[AnInvitation], most: int = 3) -> Plan:
    workers = [a_worker(each) for each in running]
    return plan([each.judged for each in INVITATIONS], workers, [], Gpus(False, 60, {}), 0, None, most)


def test_a_silo_runs_a_limited_number_of_workers_at_the_same_time() -> None:
    actions = _planned([]).actions
    assert [action.received for action in actions if isinstance(action, Start)] == [
        each.received for each in INVITATIONS[:3]
    ]
    declined = [action for action in actions if isinstance(action, Decline)]
    assert len(declined) == 197
    assert {action.rule for action in declined} == {CLUSTER_RULE}  # temporary: the rounds still wait for the silo
    assert "(3, policy.limits.jobsAtOnce)" in declined[0].message


def test_a_job_that_waits_starts_when_another_has_ended() -> None:
    running = [INVITATIONS[number] for number in (7, 8, 9)]
    assert not any(isinstance(action, Start) for action in _planned(running).actions)
    ended = replace(a_worker(running[0]), finished_at=0.0, succeeded=True)
    workers = [ended, *(a_worker(each) for each in running[1:])]
    found = plan([each.judged for each in INVITATIONS], workers, [], Gpus(False, 60, {}), 0, None, 3).actions
    assert [action.received for action in found if isinstance(action, Start)] == [INVITATIONS[0].received]
