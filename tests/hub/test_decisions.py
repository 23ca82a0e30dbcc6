"""Other decisions on plain values: workers' Leases, agents' Leases, invitations, announcements and pods."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_hub import names
from fedjobs_hub.certificates import cert_manager
from fedjobs_hub.cluster import pods
from fedjobs_hub.cluster.cluster_api import ClusterApi
from fedjobs_hub.objects import agent_leases, announcements, job_invitations, silo_invitations, worker_leases
from fedjobs_hub.objects.job_invitations import KnownJob
from fedjobs_hub.objects.silo_invitations import SiloInvitation
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.objects.worker_leases import WorkerLease
from fedjobs_hub.settings import Settings
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.v1 import hub_pb2 as pb
from kubernetes.client import ApiClient, Configuration

from tests.hub.builders import DAY, HOUR, KEY, NOW, OTHER_KEY, SECRET, a_silo

SETTINGS = Settings("fedjobs-system", "fedjobs.example.org", "fedjobs.example.org:443", "fedjobs", "fedjobs-authority")


def a_worker(key: str | None = None, silo: KnownSilo | None = None) -> WorkerLease:
    body = worker_leases.new(SECRET, silo or a_silo().enrolled(KEY).known(), "job-1", "system", NOW)
    body["metadata"]["uid"] = "lease"
    return worker_leases.parsed(body if key is None else worker_leases.held(body, key, NOW, HOUR))


def test_a_workers_lease_has_the_hash_of_its_token_and_not_the_token() -> None:
    body = worker_leases.new(SECRET, a_silo().enrolled().known(), "job-1", "system", NOW)
    assert body["metadata"]["name"] == f"fedjobs-worker-{silo_tokens.hashed(SECRET)}"
    assert SECRET not in str(body)


def test_a_workers_token_is_bound_to_the_first_key() -> None:
    assert worker_leases.check_use(a_worker(), KEY, NOW).job_uid == "job-1"
    assert worker_leases.check_use(a_worker(OTHER_KEY), OTHER_KEY, NOW).key == OTHER_KEY
    with pytest.raises(FedjobsError, match="has been used with another key"):
        worker_leases.check_use(a_worker(OTHER_KEY), KEY, NOW)


def test_a_workers_lease_ends_with_its_token_and_then_with_its_certificate() -> None:
    assert (a_worker().ends, a_worker(KEY).ends) == (NOW + DAY, NOW + HOUR)
    with pytest.raises(FedjobsError, match=r"expired at 2026-01-31T13:00:00Z"):
        worker_leases.check_use(a_worker(KEY), KEY, NOW + 2 * HOUR)
    with pytest.raises(FedjobsError) as refused:
        worker_leases.check_use(None, KEY, NOW)
    assert refused.value.code is ErrorCode.INVALID_TOKEN


def test_workers_of_an_earlier_silo_or_an_earlier_key_do_not_count() -> None:
    anew = a_silo().enrolled(KEY)
    anew.metadata["uid"] = "another"
    for silo in (anew.known(), a_silo().enrolled(OTHER_KEY).known(), a_silo().enrolled(KEY).asked_again().known()):
        with pytest.raises(FedjobsError, match="was revoked"):
            worker_leases.check_of(a_worker(), silo)
    assert worker_leases.check_of(a_worker(), a_silo().enrolled(KEY).known()) == a_worker()


def test_the_newest_agent_holds_the_lease_and_the_older_is_told_which_and_when() -> None:
    silo = a_silo().enrolled().known()
    first = agent_leases.announced(None, silo, "agent-1", "system", NOW)
    second = agent_leases.announced(
        {**first, "metadata": {**first["metadata"], "resourceVersion": "7"}}, silo, "agent-2", "system", NOW + HOUR
    )
    assert (second["metadata"]["resourceVersion"], second["spec"]["leaseTransitions"]) == ("7", 1)
    lease = agent_leases.parsed(second)
    assert agent_leases.check_newest(lease, silo, "agent-2") == lease
    with pytest.raises(FedjobsError) as refused:
        agent_leases.check_newest(lease, silo, "agent-1")
    assert refused.value.code is ErrorCode.SESSION_SUPERSEDED
    assert "agent-2, announced itself at 2026-01-31T13:00:00Z" in refused.value.message
    with pytest.raises(FedjobsError) as unknown:
        agent_leases.check_newest(None, silo, "agent-1")
    assert unknown.value.code is ErrorCode.SESSION_NOT_FOUND


def test_an_agent_that_continues_keeps_its_start_time() -> None:
    silo = a_silo().enrolled().known()
    first = agent_leases.announced(None, silo, "agent-1", "system", NOW)
    again = agent_leases.parsed(
        agent_leases.announced(
            {**first, "metadata": {**first["metadata"], "resourceVersion": "7"}}, silo, "agent-1", "system", NOW + HOUR
        )
    )
    assert (again.began, again.heard) == (NOW, NOW + HOUR)


def test_the_anchor_of_an_audit_log_is_never_replaced_by_that_of_a_shorter_log() -> None:
    three, four, other = f"{'ab' * 32}:3", f"{'cd' * 32}:4", f"{'ef' * 32}:3"
    assert announcements.audit_anchor(three, None) == three
    assert announcements.audit_anchor(four, three) == four
    for said in (other, f"{'ef' * 32}:2", "", "x", f"{'AB' * 32}:9", f"{'ab' * 32}:9\n", f"{'ab' * 32}:-9", "\x1b"):
        assert announcements.audit_anchor(said, three) is None


def a_job(uid: str, silos: list[str], **metadata: str) -> dict[str, Any]:
    status = {"invitation": {"jobUid": uid, "jobName": "digits"}, "resolved": {"silos": silos}}
    return {"metadata": {"uid": uid, **metadata}, "status": status}


def test_a_silo_receives_the_invitations_of_jobs_that_name_it_only() -> None:
    jobs = [job_invitations.parsed(a_job(uid, silos)) for uid, silos in (("2", ["a", "b"]), ("1", ["a"]), ("3", ["b"]))]
    _, documents = job_invitations.standing(jobs, "a")
    assert documents == (b'{"jobName":"digits","jobUid":"1"}', b'{"jobName":"digits","jobUid":"2"}')
    assert job_invitations.standing(jobs, "c")[1] == ()


def test_the_tag_identifies_the_list_of_invitations() -> None:
    jobs = [job_invitations.parsed(a_job(uid, ["a"])) for uid in ("1", "2")]
    tag, _ = job_invitations.standing(jobs, "a")
    assert tag == job_invitations.standing(reversed(jobs), "a")[0]
    assert tag not in (job_invitations.standing(jobs[:1], "a")[0], job_invitations.standing([], "a")[0], "")


@pytest.mark.parametrize(
    "job",
    [
        {"metadata": {"uid": "1"}},
        {"metadata": {"uid": "1"}, "status": {"resolved": {"silos": ["a"]}}},
        a_job("1", ["a"], deletionTimestamp="2026-01-31T12:00:00Z"),
        a_job("2", ["a"]) | {"metadata": {"uid": "1"}},
    ],
)
def test_a_job_that_needs_no_work_invites_no_silos(job: dict[str, Any]) -> None:
    assert job_invitations.parsed(job) == KnownJob("1")


def an_invitation(silo: KnownSilo) -> tuple[dict[str, str], SiloInvitation]:
    body = silo_invitations.new(silo, b"PEM", SETTINGS, NOW)
    body["metadata"]["uid"] = "secret"
    data = {key: base64.b64decode(text).decode() for key, text in body["data"].items()}
    return data, silo_invitations.parsed(body)


def test_an_invitation_has_the_token_and_the_command_that_installs_the_silo() -> None:
    data, invitation = an_invitation(a_silo().known())
    token = silo_tokens.decoded(data["token"])
    assert (token.silo, token.trust, token.address) == ("hospital-a", "PEM", "fedjobs.example.org:443")
    assert data["command"].startswith("helm install fedjobs-silo helm/fedjobs-silo --namespace fedjobs-silo ")
    assert data["command"].endswith(f"--set-string token={data['token']}")
    assert silo_tokens.matches(token.secret, invitation.token_hash)
    assert invitation.expires == NOW + 7 * DAY


def test_an_invitation_is_over_when_it_was_used_or_expired_or_replaced() -> None:
    silo = a_silo()
    _, invitation = an_invitation(silo.known())
    assert invitation.is_for(silo.known())
    assert not invitation.is_over(silo.known(), NOW)  # another hub may be about to write its hash
    silo.status["enrolment"] = invitation.enrolment().model_dump(by_alias=True, exclude_none=True)
    assert not invitation.is_over(silo.known(), NOW)
    assert invitation.is_over(silo.known(), NOW + 8 * DAY)
    assert invitation.is_over(None, NOW)
    assert invitation.is_over(a_silo().invited().known(), NOW)
    assert invitation.is_over(silo.enrolled().known(), NOW)
    assert not invitation.is_for(silo.asked_again().known())


def test_an_announcement_is_bounded_and_shows_no_control_characters() -> None:
    request = pb.AnnounceRequest(
        versions={"fedjobs": "1.0\x1b[31m", "whatever": "comes to mind"},
        datasets=[pb.Dataset(name="b"), pb.Dataset(name="a" * 500, features=["x" * 500] * 500), pb.Dataset(name="b")],
        cpus=2**32 - 1,
    )
    change = announcements.change(request)
    assert change["versions"] == {"fedjobs": "1.0?[31m", "protocol": None, "tensorflow": None}
    assert change["datasets"] == ["a" * 63, "b"]
    assert change["schemas"] == [{"name": "a" * 63, "features": ["x" * 200] * 100}]
    assert change["capacity"] == {"cpus": 1 << 20, "gpus": 0}


def test_an_announcement_omits_empty_fields() -> None:
    change = announcements.change(pb.AnnounceRequest())
    assert (change["datasets"], change["schemas"]) == (None, None)
    assert set(change["versions"].values()) == {None}


def a_review(**changes: Any) -> dict[str, Any]:
    extra = {
        "authentication.kubernetes.io/pod-name": ["pod-1"],
        "authentication.kubernetes.io/pod-uid": ["uid-1"],
    }
    user = {"username": "system:serviceaccount:team:default", "extra": extra}
    return {"authenticated": True, "audiences": ["fedjobs-hub"], "user": user} | changes


def test_a_pods_token_identifies_the_pod_and_its_account() -> None:
    token = pods.judged(a_review())
    assert (token.namespace, token.account, token.pod, token.pod_uid) == ("team", "default", "pod-1", "uid-1")


@pytest.mark.parametrize(
    "review",
    [
        {},
        a_review(authenticated=False),
        a_review(audiences=["https://kubernetes.default.svc"]),
        a_review(user={"username": "system:serviceaccount:team:default"}),
        a_review(user=a_review()["user"] | {"username": "admin"}),
        a_review(user=a_review()["user"] | {"username": "system:serviceaccount:team"}),
    ],
)
def test_a_token_that_is_not_bound_to_a_pod_is_refused(review: dict[str, Any]) -> None:
    with pytest.raises(FedjobsError) as refused:
        pods.judged(review)
    assert refused.value.code is ErrorCode.INVALID_TOKEN


def test_a_pod_of_an_unwatched_namespace_is_refused_without_a_call() -> None:
    nobody = ClusterApi(ApiClient(Configuration(host="http://127.0.0.1:1")))
    with pytest.raises(FedjobsError, match="does not watch the namespace team") as refused:
        pods.job_of(nobody, pods.judged(a_review()), ("another-team",))
    assert refused.value.code is ErrorCode.INVALID_TOKEN


def test_an_issuer_of_cert_manager_is_written_as_kind_and_name() -> None:
    assert cert_manager.issuer_ref("ClusterIssuer/vault") == cert_manager.IssuerRef("ClusterIssuer", "vault")
    own = cert_manager.issuer_ref("AWSPCAIssuer.awspca.cert-manager.io/ca")
    assert (own.kind, own.group) == ("AWSPCAIssuer", "awspca.cert-manager.io")
    for text in ("vault", "/vault", "Issuer/"):
        with pytest.raises(ValueError, match="of the form Issuer/NAME"):
            cert_manager.issuer_ref(text)


def test_names_that_the_charts_roles_contain() -> None:
    assert names.agent_lease("hospital-a") == "fedjobs-silo-hospital-a"
    assert names.invitation("hospital-a") == "fedjobs-invitation-hospital-a"
    assert datetime.timedelta(seconds=100) == agent_leases.SILENCE
