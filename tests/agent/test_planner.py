from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from fedjobs_agent.planning.observations import Worker, WorkerPod
from fedjobs_agent.planning.planner import (
    AGAIN_AFTER_S,
    CLUSTER_RULE,
    LOST_AFTER_S,
    NEW_TOKEN_AFTER_S,
    NO_GPU_FREE,
    NO_GPU_HERE,
    Action,
    Decline,
    End,
    GiveUpGpu,
    Gpus,
    Plan,
    Start,
    plan,
)
from fedjobs_worker.termination_message import LastWord, Outcome

from tests.agent.builders import AnInvitation, a_pod, a_pod_that_said, a_worker, an_invitation

NOW, PATIENCE = 1000.0, 60.0
NONE_FREE = "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient example.org/gpu."


def planned(
    *invitations: AnInvitation,
    workers: Sequence[Worker] = (),
    pods: Sequence[WorkerPod] = (),
    gpus: bool = False,
    given_up: Mapping[str, str] | None = None,
    now: float = NOW,
    hindered: Mapping[str, str] | None = None,
) -> Plan:
    judged = [invitation.judged for invitation in invitations]
    return plan(judged, workers, pods, Gpus(gpus, PATIENCE, given_up or {}, "example.org/gpu"), now, hindered)


def the_action(result: Plan) -> Action:
    (action,) = result.actions
    return action


def test_an_invitation_gets_a_worker() -> None:
    invitation = an_invitation()
    assert the_action(planned(invitation)) == Start(invitation.received)


def test_an_existing_worker_is_left_alone() -> None:
    invitation = an_invitation()
    assert planned(invitation, workers=[a_worker(invitation)]) == Plan([])


def test_each_invitation_has_its_own_worker() -> None:
    digits, churn = an_invitation("digits"), an_invitation("churn")
    assert the_action(planned(digits, churn, workers=[a_worker(digits)])) == Start(churn.received)


def test_a_worker_ends_with_its_invitation() -> None:
    worker = a_worker(an_invitation())
    assert the_action(planned(workers=[worker])) == End(worker, "its invitation was withdrawn")


def test_a_worker_that_is_ending_delays_its_successor() -> None:
    invitation = an_invitation()
    ending = a_worker(invitation, ending=True)
    assert planned(workers=[ending]).actions == []
    assert planned(invitation, workers=[ending]).actions == []


def test_an_invitation_that_changes_gets_a_new_worker() -> None:
    invitation = an_invitation()
    worker = a_worker(invitation)
    assert the_action(planned(invitation.made_again(), workers=[worker])) == End(worker, "its invitation changed")
    ended = a_worker(invitation, finished_at=NOW, succeeded=True)
    pods = [a_pod_that_said(ended, Outcome.COMPLETE)]
    assert isinstance(the_action(planned(invitation.made_again(), workers=[ended], pods=pods)), End)


@pytest.mark.parametrize("outcome", [Outcome.COMPLETE, Outcome.DECLINED, Outcome.FAILED])
def test_a_worker_with_a_final_outcome_is_not_created_again(outcome: Outcome) -> None:
    invitation = an_invitation()
    worker = a_worker(invitation, finished_at=0.0, succeeded=True)
    assert planned(invitation, workers=[worker], pods=[a_pod_that_said(worker, outcome)]) == Plan([])


def test_a_worker_that_ended_suspended_is_created_again_while_its_invitation_exists() -> None:
    invitation = an_invitation()
    worker = a_worker(invitation, finished_at=NOW, succeeded=True)
    pods = [a_pod_that_said(worker, Outcome.SUSPENDED)]
    assert planned(invitation, workers=[worker], pods=pods) == Plan([], AGAIN_AFTER_S)
    later = planned(invitation, workers=[worker], pods=pods, now=NOW + AGAIN_AFTER_S)
    assert the_action(later) == End(worker, "it ended, but its invitation is still current")


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_worker_with_an_unknown_outcome_is_created_again(succeeded: bool) -> None:
    invitation = an_invitation()
    worker = a_worker(invitation, finished_at=0.0, succeeded=succeeded)
    assert isinstance(the_action(planned(invitation, workers=[worker])), End)


def test_an_invitation_that_the_policy_refuses_is_declined_without_a_worker() -> None:
    invitation = an_invitation().refused_by("policy.requesters")
    assert the_action(planned(invitation)) == Decline(invitation.received, "policy.requesters", "no")
    worker = a_worker(invitation)
    assert the_action(planned(invitation, workers=[worker])) == End(worker, "no")


def test_a_gpu_is_requested_if_the_job_wants_one_and_the_silo_has_some() -> None:
    invitation = an_invitation().preferring_gpu()
    assert the_action(planned(invitation, gpus=True)) == Start(invitation.received, gpu=True)
    assert the_action(planned(an_invitation(), gpus=True)) == Start(an_invitation().received)


def test_a_silo_without_gpus_says_so_or_declines() -> None:
    preferring, requiring = an_invitation().preferring_gpu(), an_invitation().requiring_gpu()
    assert the_action(planned(preferring)) == Start(preferring.received, device_note=NO_GPU_HERE)
    action = the_action(planned(requiring))
    assert isinstance(action, Decline)
    assert (action.rule, action.message) == ("gpu", "The job requires a GPU, but silo hospital-a has none.")


@pytest.mark.parametrize("invitation", [an_invitation().preferring_gpu(), an_invitation().requiring_gpu()])
def test_the_agent_waits_a_limited_time_for_a_gpu(invitation: AnInvitation) -> None:
    worker = a_worker(invitation, gpu=True)
    pods = [a_pod(worker, unschedulable_since=NOW - 20, unschedulable_message=NONE_FREE)]
    assert planned(invitation, workers=[worker], pods=pods, gpus=True) == Plan([], PATIENCE - 20)
    later = planned(invitation, workers=[worker], pods=pods, gpus=True, now=NOW + 40)
    assert the_action(later) == GiveUpGpu(invitation.received, worker, NONE_FREE)


def test_a_worker_that_is_unschedulable_for_another_reason_does_not_wait_for_a_gpu() -> None:
    invitation = an_invitation().preferring_gpu()
    worker = a_worker(invitation, gpu=True)
    pods = [
        a_pod(worker, unschedulable_since=0.0, unschedulable_message="0/1 nodes are available: 1 Insufficient cpu.")
    ]
    assert planned(invitation, workers=[worker], pods=pods, gpus=True) == Plan([])


OTHER_NODES = "1 node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("labelled", "message", "wanting"),
    [
        (False, "0/1 nodes are available: 1 Insufficient example.org/gpu.", True),
        (True, f"0/1 nodes are available: {OTHER_NODES}.", True),
        (False, f"0/1 nodes are available: {OTHER_NODES}.", False),
        (True, f"0/2 nodes are available: 1 Insufficient cpu, {OTHER_NODES}.", False),
        (True, f"0/2 nodes are available: 1 Insufficient example.org/gpu, {OTHER_NODES}.", True),
    ],
)
def test_the_schedulers_message_tells_whether_a_gpu_is_missing(labelled: bool, message: str, wanting: bool) -> None:
    assert Gpus(True, PATIENCE, {}, "example.org/gpu", labelled).are_wanting(message) is wanting


def test_hindrances_are_reported_along_with_actions() -> None:
    invitation = an_invitation()
    told = Decline(invitation.received, CLUSTER_RULE, "why")
    hindered = {invitation.id: "why", "another": "why"}
    assert planned(invitation, hindered=hindered).actions == [Start(invitation.received), told]
    assert planned(invitation, workers=[a_worker(invitation)], hindered=hindered).actions == [told]
    refused = invitation.refused_by("policy.requesters")
    assert the_action(planned(refused, hindered=hindered)) == Decline(refused.received, "policy.requesters", "no")


def test_a_worker_without_gpu_waits_for_a_node_without_limit() -> None:
    invitation = an_invitation().preferring_gpu()
    worker = a_worker(invitation)
    given_up = {invitation.id: "0/1 nodes"}
    pods = [a_pod(worker, unschedulable_since=0.0)]
    assert planned(invitation, workers=[worker], pods=pods, gpus=True, given_up=given_up) == Plan([])


def test_without_a_free_gpu_the_worker_runs_on_cpu_or_is_declined() -> None:
    preferring, requiring = an_invitation().preferring_gpu(), an_invitation().requiring_gpu()
    given_up = {preferring.id: "0/1 nodes are available"}
    action = the_action(planned(preferring, gpus=True, given_up=given_up))
    assert action == Start(preferring.received, device_note=NO_GPU_FREE)
    action = the_action(planned(requiring, gpus=True, given_up=given_up))
    assert isinstance(action, Decline)
    assert action.message.endswith("had no free GPU: 0/1 nodes are available")


def test_a_worker_on_a_lost_node_is_not_waited_for() -> None:
    invitation = an_invitation()
    worker = a_worker(invitation)
    pods = [a_pod(worker, gone_by=NOW - LOST_AFTER_S)]
    assert planned(invitation, workers=[worker], pods=pods).actions == []
    late = planned(invitation, workers=[worker], pods=pods, now=NOW + 1)
    assert the_action(late) == End(worker, "its node is lost", at_once=True)
    ending = a_worker(invitation, ending=True)
    assert the_action(planned(workers=[ending], pods=[a_pod(ending, gone_by=0.0)])) == End(
        ending, "its node is lost", at_once=True
    )


@pytest.mark.parametrize("code", ["InvalidToken", "InvalidCertificate"])
def test_a_worker_with_an_invalid_token_is_created_again_after_a_delay(code: str) -> None:
    invitation = an_invitation()
    worker = a_worker(invitation)
    refused = LastWord(outcome=Outcome.ERROR, code=code)
    pods = [a_pod(worker, last_word=refused, spoke_at=NOW)]
    assert planned(invitation, workers=[worker], pods=pods) == Plan([], NEW_TOKEN_AFTER_S)
    late = planned(invitation, workers=[worker], pods=pods, now=NOW + NEW_TOKEN_AFTER_S)
    assert the_action(late) == End(worker, "its token is no longer valid")


def test_the_kubelet_retries_other_errors_of_a_session() -> None:
    invitation = an_invitation()
    worker = a_worker(invitation)
    pods = [a_pod(worker, last_word=LastWord(outcome=Outcome.ERROR, code="Unavailable"), spoke_at=0.0)]
    assert planned(invitation, workers=[worker], pods=pods) == Plan([])
