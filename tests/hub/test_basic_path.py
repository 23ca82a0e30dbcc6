from __future__ import annotations

from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import server_name

from tests.hub.announcements import an_announcement
from tests.hub.hubs import Federation


def test_a_silo_enrols_receives_a_job_and_its_worker_gets_a_certificate(federation: Federation) -> None:
    identity = federation.enrolled("basic-path")
    with federation.hub_client(identity) as hub:
        assert hub.announce(an_announcement("agent-1")).silo == "basic-path"
        assert hub.pull_invitations("agent-1", "").invitations == ()
        job = federation.job(["basic-path"])
        invitations = hub.pull_invitations("agent-1", "")
        while not invitations.invitations:
            invitations = hub.pull_invitations("agent-1", invitations.tag)
        assert [each.job_uid for each in invitations.invitations] == [job]
        assert invitations.invitations[0].server_name == server_name(job, federation.front_door)
        token = hub.create_worker_token(job)
        renewed = hub.renew(identity)
    with federation.enrolment() as enrolment:
        worker = enrolment.issue_worker(token, keys.create())
    assert worker.job_uid == job
    with federation.hub_client(worker) as hub:
        assert hub.renew(worker).job_uid == job
    assert renewed.expires >= identity.expires
    federation.wait_for("basic-path", "Enrolled", "True", "Enrolled")
    federation.wait_for("basic-path", "Connected", "True", "AgentConnected")
