"""Certificates that expire, and an authority that is replaced while silos call the hub."""

from __future__ import annotations

import datetime
from pathlib import Path

from fedjobs_common.errors import ErrorCode
from fedjobs_hub import names
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.v1 import hub_pb2 as pb

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.hub.calls import call_enrolment
from tests.hub.hubs import Federation, running_federation
from tests.hub.refusals import code, refusal


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def renew_after_expiry(federation: Federation, identity: Identity) -> Identity:
    with federation.enrolment() as client:
        return client.renew_expired(identity)


def test_an_expired_certificate_is_renewed_for_the_same_key_until_the_grace_period_ends(
    api_server: ApiServer, tmp_path: Path
) -> None:
    lifetimes = (
        "--certificate-lifetime-seconds",
        "2",
        "--worker-certificate-lifetime-seconds",
        "2",
        "--grace-period-seconds",
        "15",
    )
    with running_federation(api_server, tmp_path, lifetimes=lifetimes) as federation:
        old = federation.enrolled("asleep")
        wait_until("the certificate has expired", lambda: now() > old.expires)
        with federation.hub_client(old) as hub:
            assert code(lambda: hub.renew(old)) is ErrorCode.UNAVAILABLE  # the TLS handshake fails
        federation.wait_for("asleep", "Enrolled", "False", "CertificateExpired")

        thief = pb.RenewExpiredRequest(certificate=old.certificate, csr=keys.signing_request(keys.create()))
        assert code(lambda: call_enrolment(federation, "RenewExpired", thief)) is ErrorCode.INVALID_CERTIFICATE_REQUEST
        federation.suspend("asleep")
        federation.wait_for("asleep", "Connected", "False", "Suspended")
        assert code(lambda: renew_after_expiry(federation, old)) is ErrorCode.SILO_SUSPENDED
        federation.suspend("asleep", suspend=False)
        federation.wait_for("asleep", "Connected", "False", "NeverConnected")

        new = renew_after_expiry(federation, old)
        assert (new.key, new.expires > old.expires) == (old.key, True)
        federation.wait_for("asleep", "Enrolled", "False", "GracePeriodExpired")
        assert code(lambda: renew_after_expiry(federation, new)) is ErrorCode.INVALID_CERTIFICATE
        refused = refusal(lambda: renew_after_expiry(federation, new))
        assert "the grace period for renewal is over" in refused.message


def test_an_expired_token_is_invalid(api_server: ApiServer, tmp_path: Path) -> None:
    with running_federation(api_server, tmp_path, lifetimes=("--token-lifetime-seconds", "10")) as federation:
        federation.silo("late")
        token = federation.token("late")
        federation.wait_for("late", "Enrolled", "False", "InvitationExpired")
        with federation.enrolment() as client:
            refused = refusal(lambda: client.enrol("late", token.secret, keys.create()))
        assert refused.code is ErrorCode.INVALID_TOKEN
        assert "The token of silo late expired at" in refused.message
        assert "keyFingerprint" not in federation.status("late")["enrolment"]


def test_an_authority_is_replaced_without_an_outage_for_clients_that_renew(
    api_server: ApiServer, tmp_path: Path
) -> None:
    lifetimes = (
        "--certificate-lifetime-seconds",
        "12",
        "--worker-certificate-lifetime-seconds",
        "12",
        "--grace-period-seconds",
        "0",
    )
    with running_federation(api_server, tmp_path, lifetimes=lifetimes, hubs=2) as federation:
        identity = federation.enrolled("steady")
        first = federation.servers_trust
        secret = ("secret", names.AUTHORITY, "-n", federation.authority)
        federation.server.kubectl("annotate", *secret, f"{names.ROTATE}=today")
        stages: list[int] = []

        def is_replaced() -> bool:
            """Renews with both hubs in turn, as an agent does, and records the number of trusted issuers."""
            nonlocal identity
            hub = federation.hubs[len(stages) % 2]
            with federation.hub_client(identity, hub) as client:
                identity = client.renew(identity)
            stages.append(identity.trust.count(b"BEGIN CERTIFICATE"))
            return first not in identity.trust

        wait_until("the first generation is no longer trusted", is_replaced, seconds=120)
        assert set(stages) == {1, 2}
        assert (stages[0], stages[-1]) == (1, 1)
        with federation.enrolment(trust=first) as client:
            assert code(lambda: client.enrol("steady", "x", keys.create())) is ErrorCode.UNAVAILABLE
        wait_until("the hub publishes the new issuers", lambda: federation.servers_trust == identity.trust, seconds=20)
        annotations = federation.get("secret", names.AUTHORITY, federation.authority)["metadata"]["annotations"]
        assert annotations[names.ROTATED] == "today"
        newcomer = federation.enrolled("newcomer")
        for hub in federation.hubs:  # each hub reads the authority periodically
            with federation.hub_client(newcomer, hub) as client:
                wait_until(
                    "the hub trusts the new generation only",
                    lambda: client.renew(newcomer).trust == identity.trust,
                    seconds=20,
                )


def test_an_existing_authority_is_used(api_server: ApiServer, tmp_path: Path) -> None:
    with running_federation(api_server, tmp_path) as federation:
        before = federation.servers_trust
        federation.hub.kill()
        federation.start_hub()
        assert federation.servers_trust == before
        data = federation.get("secret", names.AUTHORITY, federation.authority)["data"]
        assert len(data) == 4
