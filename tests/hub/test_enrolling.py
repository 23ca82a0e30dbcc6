"""Enrolment with a real hub: silos that may enrol, and callers that may not."""

from __future__ import annotations

import datetime
import functools
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fedjobs_common.errors import ErrorCode
from fedjobs_hub import names
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.certificates import Issuer, Purpose
from fedjobs_protocol.identities.channels import open_enrolment_channel
from fedjobs_protocol.identities.identities import Identity, agent_uri, enrolment_name
from fedjobs_protocol.v1 import hub_pb2 as pb

from tests.cluster.readiness import wait_until
from tests.hub.calls import call_enrolment
from tests.hub.hubs import Federation
from tests.hub.refusals import code, refusal


def enrol(federation: Federation, silo: str, secret: str, key: bytes) -> Identity:
    with federation.enrolment() as client:
        return client.enrol(silo, secret, key)


def test_a_certificate_is_short_lived_and_for_one_silo_as_a_client_only(federation: Federation) -> None:
    identity = federation.enrolled("short-lived")
    certificate = x509.load_pem_x509_certificate(identity.certificate)
    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [agent_uri("short-lived")]
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert identity.expires - identity.issued == datetime.timedelta(days=1)
    assert identity.trust == federation.servers_trust


def test_the_token_is_only_in_its_secret_which_is_deleted_after_use(federation: Federation) -> None:
    federation.silo("secretive")
    token = federation.token("secretive")
    identity = enrol(federation, "secretive", token.secret, keys.create())
    federation.wait_for("secretive", "Enrolled", "True", "Enrolled")
    gone = ("get", "secret", names.invitation("secretive"), "-n", federation.namespace)
    wait_until("the hub deletes the Secret", lambda: federation.server.kubectl.run(*gone).returncode != 0, seconds=60)
    everything = json.dumps(federation.get("silo", "secretive")) + federation.hub.log.read_text()
    assert token.secret not in everything
    assert identity.key.decode() not in everything


def test_the_same_key_may_enrol_again_and_another_may_not(federation: Federation) -> None:
    federation.silo("retrying")
    token, key = federation.token("retrying"), keys.create()
    first, again = (enrol(federation, "retrying", token.secret, key) for _ in range(2))
    assert first.certificate != again.certificate
    refused = refusal(lambda: enrol(federation, "retrying", token.secret, keys.create()))
    assert refused.code is ErrorCode.INVALID_TOKEN
    assert "has been used with another key" in refused.message
    with federation.hub_client(first) as hub:
        assert hub.renew(first).expires >= first.expires


def test_a_wrong_token_anothers_token_and_an_unknown_silo_get_the_same_refusal(federation: Federation) -> None:
    federation.silo("right-token")
    federation.silo("wrong-token")
    secret = federation.token("right-token").secret
    federation.token("wrong-token")
    attempts = [
        ("wrong-token", secret),
        ("wrong-token", "x"),
        ("nobody", secret),
        ("", ""),
        ("nobody/status", "x"),
        ("../x", "x"),
    ]
    refusals = {str(refusal(functools.partial(enrol, federation, *each, keys.create()))) for each in attempts}
    assert refusals == {refusal(lambda: enrol(federation, "nobody", "y", keys.create())).public}


def test_a_request_for_another_silos_name_gets_the_name_of_the_tokens_silo(federation: Federation) -> None:
    federation.silo("modest")
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody-else")]))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(agent_uri("somebody-else"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    token = federation.token("modest")
    issued = call_enrolment(federation, "Enrol", pb.EnrolRequest(token=token.secret, silo="modest", csr=request))
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    assert certificate.subject.rfc4514_string() == "CN=modest"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.UniformResourceIdentifier) == [agent_uri("modest")]


def _rsa_request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _unsigned_request() -> bytes:
    request = bytearray(keys.signing_request(keys.create()))
    request[-1] ^= 1
    return bytes(request)


@pytest.mark.parametrize(
    "request_",
    [b"", b"\x30\x80", b"x" * 5000, _rsa_request(), _unsigned_request()],
    ids=["empty", "cut", "long", "rsa", "badly signed"],
)
def test_an_invalid_request_is_refused_before_any_check(federation: Federation, request_: bytes) -> None:
    request = pb.EnrolRequest(token="x", silo="nobody", csr=request_)
    assert code(lambda: call_enrolment(federation, "Enrol", request)) is ErrorCode.INVALID_CERTIFICATE_REQUEST


def test_a_message_that_is_too_large_is_refused(federation: Federation) -> None:
    request = pb.EnrolRequest(token="x" * 100_000, silo="nobody", csr=b"x")
    refused = refusal(lambda: call_enrolment(federation, "Enrol", request))
    assert "RESOURCE_EXHAUSTED" in refused.message
    long = pb.EnrolRequest(token="x" * 10_000, silo="nobody", csr=keys.signing_request(keys.create()))
    assert code(lambda: call_enrolment(federation, "Enrol", long)) is ErrorCode.INVALID_TOKEN


def test_a_suspended_silo_cannot_enrol_until_it_is_resumed(federation: Federation) -> None:
    federation.silo("held-up")
    secret, key = federation.token("held-up").secret, keys.create()
    federation.suspend("held-up")
    refusing = functools.partial(enrol, federation, "held-up", secret, key)

    def suspended() -> bool:
        try:
            refusing()
        except Exception as error:
            return getattr(error, "code", None) is ErrorCode.SILO_SUSPENDED
        return False

    wait_until("the hub refuses the enrolment", suspended, seconds=10)
    federation.suspend("held-up", suspend=False)
    wait_until("the hub accepts the enrolment", lambda: not suspended(), seconds=10)
    assert refusing().expires > datetime.datetime.now(datetime.UTC)


def test_a_silo_that_lost_its_key_is_invited_again_and_the_old_key_is_revoked(federation: Federation) -> None:
    old = federation.enrolled("forgetful")
    federation.silo("forgetful", **{names.INVITE_AGAIN: "the disk broke"})
    wait_until(
        "the hub handles the request for a new invitation",
        lambda: federation.status("forgetful").get("enrolment", {}).get("lastHandledInviteAgain") == "the disk broke",
        seconds=30,
    )
    with federation.hub_client(old) as hub:
        refused = refusal(lambda: hub.renew(old))
    assert refused.code is ErrorCode.INVALID_CERTIFICATE
    assert "invite the silo again" in refused.remedy or "invite the silo again" in refused.message
    new = enrol(federation, "forgetful", federation.token("forgetful").secret, keys.create())
    with federation.hub_client(new) as hub:
        assert hub.renew(new).expires >= new.expires
    with federation.hub_client(old) as hub:
        assert code(lambda: hub.renew(old)) is ErrorCode.INVALID_CERTIFICATE


def test_a_silo_that_is_deleted_and_created_again_is_another_silo(federation: Federation) -> None:
    old = federation.enrolled("phoenix")
    federation.server.kubectl("delete", "silo", "phoenix")
    with federation.hub_client(old) as hub:
        assert code(lambda: hub.renew(old)) is ErrorCode.SILO_NOT_FOUND
        federation.silo("phoenix")
        new = enrol(federation, "phoenix", federation.token("phoenix").secret, keys.create())
        assert code(lambda: hub.renew(old)) is ErrorCode.INVALID_CERTIFICATE
    with federation.hub_client(new) as hub:
        assert hub.renew(new).expires >= new.expires


def test_a_hub_of_another_federation_is_not_trusted(federation: Federation) -> None:
    other = Issuer.create("fedjobs servers of another federation", Purpose.SERVER)
    with open_enrolment_channel(
        federation.hub.enrolment_address, enrolment_name(federation.front_door), other.certificate
    ) as channel:
        refused = refusal(
            lambda: call_enrolment(federation, "Enrol", pb.EnrolRequest(silo="x"), channel=channel, timeout_s=3)
        )
    assert refused.code is ErrorCode.UNAVAILABLE


FORGED, FORGED_KEY = Issuer.create("fedjobs silos", Purpose.CLIENT).issue("forged", uri=agent_uri("forged"))


@pytest.mark.parametrize("certificate", [b"", b"x", b"x" * 20_000, FORGED], ids=["empty", "text", "long", "forged"])
def test_a_forged_certificate_is_not_renewed(federation: Federation, certificate: bytes) -> None:
    request = pb.RenewExpiredRequest(certificate=certificate, csr=keys.signing_request(FORGED_KEY))
    assert code(lambda: call_enrolment(federation, "RenewExpired", request)) is ErrorCode.INVALID_CERTIFICATE


def test_a_silos_name_is_not_enough_to_renew_its_certificate(federation: Federation) -> None:
    federation.enrolled("forged")
    request = pb.RenewExpiredRequest(certificate=FORGED, csr=keys.signing_request(FORGED_KEY))
    assert code(lambda: call_enrolment(federation, "RenewExpired", request)) is ErrorCode.INVALID_CERTIFICATE


def test_a_certificate_is_valid_early_for_slow_clocks(federation: Federation) -> None:
    certificate = x509.load_pem_x509_certificate(federation.enrolled("slow-clock").certificate)
    assert certificate.not_valid_before_utc <= datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=10)
