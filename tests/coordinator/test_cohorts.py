"""With which silos a round begins, and how long it waits for the others."""

from __future__ import annotations

from concurrent.futures import Future

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode
from fedjobs_common.ids import Digest, SiloName
from fedjobs_common.jobs.statuses import Phase
from fedjobs_coordinator.aggregation.outcomes import Failure, Retry
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.refusals import FIRST_REST_S
from fedjobs_coordinator.sessions.work_identities import InvocationId
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import ALICE, BOB, WORK, a_job, an_assignment
from .sites import CALL, OFFERED, OTHER_SHARD, SHARD, Site, cohort_of, raised_by, until

SECOND = Offered(pb.OfferedShard(shard=pb.Blob(digest=b"Y" * 32, size=1, inline=b"Y"), label="sum", clients="digits"))


def test_the_cohort_waits_for_all_silos(site: Site) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    waiting = site.meanwhile(cohort_of, coordinator)
    until(site.is_waiting)
    assert "1 of 2" in site.status().message
    assert not waiting.done()
    site.silo(coordinator, BOB).join()
    assert waiting.result(10) == [ALICE, BOB]
    assert site.status().phase is Phase.RUNNING


def test_after_the_deadline_the_cohort_is_the_silos_that_are_ready(site: Site) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    site.silo(coordinator, BOB).join()
    assert cohort_of(coordinator) == [BOB]


def test_a_goal_below_the_number_of_silos_is_enough(site: Site) -> None:
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=1, goal=2))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    assert cohort_of(coordinator) == [ALICE, BOB]


def test_more_ready_silos_than_the_goal_are_sampled_by_the_call(site: Site) -> None:
    names = ["alice", "bob", "carol"]
    coordinator = site.start(a_job(names, least=1, goal=1))
    for name in names:
        site.silo(coordinator, SiloName(name)).join()
    cohorts = {}
    for number in range(20):
        call = InvocationId(f"call {number}", number)
        (chosen,) = cohort_of(coordinator, call=call)
        assert cohort_of(coordinator, call=call) == [chosen]
        cohorts[number] = chosen
    assert set(cohorts.values()) == set(names)


def test_too_few_willing_silos_are_an_error_that_names_silos_and_reasons(site: Site) -> None:
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=3, deadline=1000))
    site.silo(coordinator, ALICE).join()
    site.silo(coordinator, BOB).join(decline="not for you")
    error = raised_by(lambda: cohort_of(coordinator))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert "Only 1 of at least 3" in error.public
    assert "bob is Declined (requesters: not for you)" in error.public
    assert "carol is Invited" in error.public
    assert "minSilos" in error.public


def test_with_too_few_silos_after_the_deadline_an_invocation_waits_and_the_status_says_why(site: Site) -> None:
    clock = _Clock()
    site.clock = clock.monotonic
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=2, deadline=1000))
    site.silo(coordinator, ALICE).join()
    waiting = site.meanwhile(cohort_of, coordinator)
    for _ in range(5):
        clock.passes(14, waiting)  # alice is not lost
        clock.now += 1000
        site.silo(coordinator, ALICE).join()
    until(lambda: "bob is Invited" in site.status().message)
    message = site.status().message
    assert "1 of 3 silos are ready" in message
    assert "At least 2 are needed" in message
    assert site.status().phase is Phase.WAITING_FOR_SILOS
    assert not waiting.done()
    site.silo(coordinator, BOB).join()
    assert waiting.result(10) == [ALICE, BOB]


def test_a_silo_whose_cause_of_failure_can_pass_is_asked_again_after_a_while(site: Site) -> None:
    clock = _Clock()
    site.clock = clock.monotonic
    coordinator = site.start(a_job(least=2, deadline=1000))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    assert cohort_of(coordinator) == [ALICE, BOB]
    coordinator.mark_failed(CALL, SHARD, BOB, Failure("DataNotFound", "not mounted", Retry.LATER))
    waiting = site.meanwhile(cohort_of, coordinator)
    until(lambda: "bob is asked again later (DataNotFound: not mounted)" in site.status().message)
    assert not waiting.done()
    clock.passes(FIRST_REST_S, waiting)
    assert waiting.result(10) == [ALICE, BOB]


def test_all_shards_of_a_plan_are_offered_before_its_first_stage_and_need_consent(site: Site) -> None:
    coordinator = site.start(a_job(["alice"], least=1, deadline=1000))
    alice = site.silo(coordinator, ALICE).join(asked=True)
    waiting = site.meanwhile(coordinator.cohort, CALL, (SHARD, SECOND.digest), lambda: [OFFERED, SECOND])
    until(site.is_waiting)
    offered = [digests.named(shard.shard.digest) for shard in alice.pull().offer.shards]
    assert offered == [SHARD, SECOND.digest]
    alice.approve()
    until(lambda: coordinator._call_in_loop(lambda: coordinator._consents.standing(SHARD).consented) == {ALICE})
    assert not waiting.done()
    alice.approve(SECOND.digest)
    assert waiting.result(10) == [ALICE]


def test_a_plan_with_more_shards_than_offers_is_refused_instead_of_waited_for(site: Site) -> None:
    coordinator = site.start(a_job(["alice"], least=1))
    scopes = [Digest(f"{number:064x}") for number in range(65)]
    error = raised_by(lambda: coordinator.cohort(CALL, scopes, list))
    assert error.code is ErrorCode.UNSUPPORTED_COMPUTATION
    assert "65" in error.message


def test_a_silo_that_refuses_a_later_stage_is_not_in_the_cohort(site: Site) -> None:
    coordinator = site.start(a_job(least=2, deadline=1000))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    coordinator.mark_failed(CALL, SECOND.digest, BOB, Failure("policy.computations.operations", "no", Retry.NEVER))
    other = InvocationId("another", 2)
    error = raised_by(lambda: coordinator.cohort(other, (SHARD, SECOND.digest), lambda: [OFFERED, SECOND]))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert cohort_of(coordinator) == [ALICE, BOB]


def test_silos_that_decline_are_not_waited_for(site: Site) -> None:
    coordinator = site.start(a_job(least=1))
    site.silo(coordinator, ALICE).join(decline="not for you")
    site.silo(coordinator, BOB).join()
    assert cohort_of(coordinator) == [BOB]


def test_if_too_many_decline_the_job_fails_before_the_deadline(site: Site) -> None:
    coordinator = site.start(a_job(least=2, deadline=1000))
    waiting = site.meanwhile(cohort_of, coordinator)
    site.silo(coordinator, ALICE).join(decline="not for you")
    error = raised_by(lambda: waiting.result(10))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert "alice is Declined" in error.public


def test_a_silo_that_refused_a_shard_gets_other_offers(site: Site) -> None:
    coordinator = site.start(a_job(least=1))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    coordinator.mark_failed(CALL, SHARD, ALICE, Failure("policy.computations.operations", "no", Retry.NEVER))
    assert cohort_of(coordinator) == [BOB]
    assert cohort_of(coordinator, OTHER_SHARD) == [ALICE, BOB]


def test_an_absent_silo_delays_one_round_only(site: Site) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    site.silo(coordinator, BOB).join()
    assert cohort_of(coordinator) == [BOB]
    _stop_time(site)
    assert cohort_of(coordinator) == [BOB]
    site.silo(coordinator, ALICE).join()
    assert cohort_of(coordinator) == [ALICE, BOB]


def test_a_silo_that_only_sends_heartbeats_delays_one_round_only(site: Site) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    alice = site.silo(coordinator, ALICE).join()
    site.silo(coordinator, BOB).join()
    assert cohort_of(coordinator) == [ALICE, BOB]
    assignment = an_assignment(ALICE)
    coordinator.assign([assignment])
    alice.pull()
    coordinator.wait_for_reports([assignment])
    coordinator.withdraw([assignment])
    _stop_time(site)
    assert alice.client.heartbeat(alice.session_id, WORK, "running").cancel
    assert cohort_of(coordinator) == [BOB]
    until(lambda: site.status().silos[0].reason == "RoundDeadline")
    asking = site.meanwhile(alice.pull)
    until(lambda: cohort_of(coordinator) == [ALICE, BOB])
    coordinator.stop()
    site.close(coordinator)
    assert asking.result(10).HasField("over")


def test_an_invocation_waits_longer_than_the_deadline_for_an_approval(site: Site) -> None:
    clock = _Clock()
    site.clock = clock.monotonic
    coordinator = site.start(a_job(least=1, deadline=1000))
    alice = site.silo(coordinator, ALICE).join(asked=True)
    waiting = site.meanwhile(cohort_of, coordinator)
    until(site.is_waiting)
    alice.await_people()
    until(lambda: "alice must approve" in site.status().message)
    clock.passes(2000, waiting)
    alice.join(asked=True)
    alice.await_people()
    clock.passes(2000, waiting)
    alice.join(asked=True)
    assert not waiting.done()
    alice.approve()
    assert waiting.result(10) == [ALICE]


class _Clock:
    """The clock of a thread that waits for silos. It advances only when the test moves it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0

    def monotonic(self) -> float:
        self.reads += 1
        return self.now

    def passes(self, seconds: float, waiting: Future[list[SiloName]]) -> None:
        """Advances the time, and waits until the thread has checked it twice or has finished."""
        self.now += seconds
        looked = self.reads + 2
        until(lambda: waiting.done() or self.reads >= looked)


def _stop_time(site: Site) -> None:
    """Stops the time, so that a thread never reaches a deadline."""
    now = site.clock()
    site.clock = lambda: now
