"""Workers' tokens and certificates with a real hub."""

from __future__ import annotations

import datetime

from cryptography import x509
from fedjobs_common.errors import ErrorCode
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import Identity, worker_uri

from tests.hub.announcements import an_announcement
from tests.hub.hubs import Federation
from tests.hub.refusals import code, refusal


def worker_token(federation: Federation, identity: Identity, job: str) -> str:
    with federation.hub_client(identity) as hub:
        return hub.create_worker_token(job)


def worker(federation: Federation, token: str, key: bytes | None = None) -> Identity:
    with federation.enrolment() as client:
        return client.issue_worker(token, key or keys.create())


def test_a_workers_certificate_is_for_one_job_and_an_hour(federation: Federation) -> None:
    agent = federation.enrolled("with-worker")
    job = federation.job(["with-worker"])
    identity = worker(federation, worker_token(federation, agent, job))
    names = x509.load_pem_x509_certificate(identity.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [worker_uri(job, "with-worker")]
    assert identity.expires - identity.issued == datetime.timedelta(hours=1)
    assert identity.trust == federation.servers_trust


def test_a_workers_token_is_bound_to_the_first_key(federation: Federation) -> None:
    agent = federation.enrolled("one-key")
    token = worker_token(federation, agent, federation.job(["one-key"]))
    key = keys.create()
    assert worker(federation, token, key).job_uid == worker(federation, token, key).job_uid
    refused = refusal(lambda: worker(federation, token))
    assert refused.code is ErrorCode.INVALID_TOKEN
    assert "has been used with another key" in refused.message
    assert token not in federation.hub.log.read_text()


def test_forged_tokens_and_silos_tokens_are_not_accepted_as_a_workers(federation: Federation) -> None:
    federation.silo("not-a-worker")
    for token in ("", "x", "../x", federation.token("not-a-worker").secret):
        assert code(lambda token=token: worker(federation, token)) is ErrorCode.INVALID_TOKEN  # type: ignore[misc]


def test_there_is_no_token_for_a_job_that_does_not_invite_the_silo(federation: Federation) -> None:
    agent = federation.enrolled("uninvited")
    for job in (federation.job(["somebody-else"]), "no-such-job"):
        assert code(lambda job=job: worker_token(federation, agent, job)) is ErrorCode.NOT_INVITED  # type: ignore[misc]


def test_a_token_is_invalid_after_the_job_ends_or_the_silo_is_suspended(federation: Federation) -> None:
    agent = federation.enrolled("too-late")
    job = federation.job(["too-late"], "over-soon")
    token = worker_token(federation, agent, job)
    started = worker(federation, worker_token(federation, agent, job))
    federation.invite("over-soon", job, [])
    with federation.hub_client(agent) as hub:
        hub.announce(an_announcement("agent-1"))
        invitations = hub.pull_invitations("agent-1", "")
        while invitations.invitations:
            invitations = hub.pull_invitations("agent-1", invitations.tag)
    assert code(lambda: worker(federation, token)) is ErrorCode.NOT_INVITED
    with federation.hub_client(started) as hub:
        assert code(lambda: hub.renew(started)) is ErrorCode.NOT_INVITED
    federation.invite("over-soon", job, ["too-late"])
    federation.suspend("too-late")
    with federation.hub_client(started) as hub:
        federation.wait_for("too-late", "Connected", "False", "Suspended")
        assert code(lambda: hub.renew(started)) is ErrorCode.SILO_SUSPENDED
    assert code(lambda: worker(federation, token)) is ErrorCode.SILO_SUSPENDED


def test_a_worker_may_only_renew(federation: Federation) -> None:
    agent = federation.enrolled("just-working")
    job = federation.job(["just-working"])
    identity = worker(federation, worker_token(federation, agent, job))
    with federation.hub_client(identity) as hub:
        renewed = hub.renew(identity)
        assert renewed.job_uid == job
        assert code(lambda: hub.announce(an_announcement("agent-1"))) is ErrorCode.INVALID_CERTIFICATE
        assert code(lambda: hub.create_worker_token(job)) is ErrorCode.INVALID_CERTIFICATE
        assert code(lambda: hub.pull_invitations("agent-1", "")) is ErrorCode.INVALID_CERTIFICATE
    with federation.hub_client(renewed) as hub:
        assert hub.renew(renewed).job_uid == job


def test_workers_of_a_silo_that_was_created_again_are_not_renewed(federation: Federation) -> None:
    agent = federation.enrolled("rebuilt")
    job = federation.job(["rebuilt"])
    token = worker_token(federation, agent, job)
    old = worker(federation, worker_token(federation, agent, job))
    federation.server.kubectl("delete", "silo", "rebuilt")
    federation.enrolled("rebuilt")
    with federation.hub_client(old) as hub:
        assert code(lambda: hub.renew(old)) is ErrorCode.INVALID_CERTIFICATE
    assert code(lambda: worker(federation, token)) is ErrorCode.INVALID_CERTIFICATE
