"""Two hubs of one federation give the same answers, and concurrent calls have one winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import Identity

from tests.cluster.api_servers import ApiServer
from tests.hub.announcements import an_announcement
from tests.hub.hub_processes import HubProcess
from tests.hub.hubs import Federation, running_federation
from tests.hub.refusals import code


@pytest.fixture
def federation(api_server: ApiServer, tmp_path: Path) -> Iterator[Federation]:
    """One federation for each test. Concurrent ones would share the API server's Silos, and one test kills its hubs."""
    with running_federation(api_server, tmp_path, hubs=2) as federation:
        yield federation
        assert not [hub.log.read_text() for hub in federation.hubs if "Traceback" in hub.log.read_text()]


def race(calls: list[Callable[[], Identity]]) -> list[Identity | ErrorCode]:
    """Makes the calls concurrently, and returns their results or error codes."""

    def result(call: Callable[[], Identity]) -> Identity | ErrorCode:
        try:
            return call()
        except FedjobsError as error:
            return error.code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(result, calls))


def test_one_of_several_concurrent_keys_gets_a_silos_token(federation: Federation) -> None:
    federation.silo("raced-for")
    secret = federation.token("raced-for").secret

    def enrol(hub: HubProcess) -> Identity:
        with federation.enrolment(hub) as client:
            return client.enrol("raced-for", secret, keys.create())

    results = race([lambda hub=hub: enrol(hub) for hub in federation.hubs * 4])  # type: ignore[misc]
    winners = [each for each in results if isinstance(each, Identity)]
    assert (len(winners), results.count(ErrorCode.INVALID_TOKEN)) == (1, 7)
    for hub in federation.hubs:
        with federation.hub_client(winners[0], hub) as client:
            assert client.renew(winners[0]).expires >= winners[0].expires


def test_one_of_several_concurrent_keys_gets_a_workers_token(federation: Federation) -> None:
    agent = federation.enrolled("employer")
    job = federation.job(["employer"])
    with federation.hub_client(agent) as client:
        token = client.create_worker_token(job)

    def issue(hub: HubProcess) -> Identity:
        with federation.enrolment(hub) as client:
            return client.issue_worker(token, keys.create())

    results = race([lambda hub=hub: issue(hub) for hub in federation.hubs * 4])  # type: ignore[misc]
    winners = [each for each in results if isinstance(each, Identity)]
    assert (len(winners), results.count(ErrorCode.INVALID_TOKEN)) == (1, 7)


def test_one_hub_immediately_uses_what_the_other_has_received(federation: Federation) -> None:
    one, other = federation.hubs
    federation.silo("wandering")
    secret = federation.token("wandering").secret
    with federation.enrolment(one) as client:
        identity = client.enrol("wandering", secret, keys.create())
    with federation.hub_client(identity, one) as here, federation.hub_client(identity, other) as there:
        there.announce(an_announcement("agent-1"))
        here.announce(an_announcement("agent-2"))
        tag = there.pull_invitations("agent-2", "").tag
        assert code(lambda: there.pull_invitations("agent-1", tag)) is ErrorCode.SESSION_SUPERSEDED
        with ThreadPoolExecutor() as pool:
            poll = pool.submit(there.pull_invitations, "agent-2", tag)
            here.announce(an_announcement("agent-3"))
            assert code(lambda: poll.result(20)) is ErrorCode.SESSION_SUPERSEDED
        job = federation.job(["wandering"])
        tokens = [client.create_worker_token(job) for client in (here, there) for _ in range(3)]
    for hub, token in zip([other] * 3 + [one] * 3, tokens, strict=True):
        with federation.enrolment(hub) as client:
            assert client.issue_worker(token, keys.create()).job_uid == job


def test_each_silo_is_invited_once(federation: Federation) -> None:
    for number in range(4):
        name = f"invited-once-{number}"
        federation.silo(name)
        first = federation.token(name)
        with federation.enrolment(federation.hubs[number % 2]) as client:
            assert client.enrol(name, first.secret, keys.create())


def test_a_hub_that_is_killed_and_restarted_loses_nothing(federation: Federation) -> None:
    identity = federation.enrolled("patient")
    killed = federation.hubs[0]
    with federation.hub_client(identity, killed) as client:
        client.announce(an_announcement("agent-1"))
        tag = client.pull_invitations("agent-1", "").tag
        killed.kill()
        with federation.hub_client(identity, federation.hubs[1]) as other:
            assert other.pull_invitations("agent-1", "").tag == tag
        federation.start_hub(ports=killed.ports)
        job = federation.job(["patient"])
        assert [each.job_uid for each in client.pull_invitations("agent-1", tag).invitations] == [job]
    assert federation.hub.stop() == 0
