from __future__ import annotations

import datetime
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import Identity, Peer, RunAuthority, check_operator, peer_of, server_name

JOB = "0f8e7d6c-5b4a-4938-a716-253443526170"
SAN = "x509_subject_alternative_name"


@pytest.fixture(scope="module")
def authority():
    return RunAuthority.create()


def extension(identity, kind):
    return x509.load_pem_x509_certificate(identity.certificate).extensions.get_extension_for_class(kind).value


def test_a_silos_certificate_names_silo_and_job_and_is_for_clients_only(authority):
    identity = authority.issue_silo(JOB, "hospital-a")
    names = extension(identity, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["hospital-a"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"fedjobs:job:{JOB}:silo:hospital-a"]
    assert list(extension(identity, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extension(identity, x509.BasicConstraints).ca
    assert identity.job_uid == JOB


def test_a_coordinators_certificate_has_the_server_name_and_is_for_servers_only(authority):
    identity = authority.issue_coordinator(JOB, server_name(JOB))
    assert extension(identity, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName) == [server_name(JOB)]
    assert list(extension(identity, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert identity.job_uid == JOB


def test_silos_and_coordinators_trust_each_others_issuer_only(authority):
    silo = authority.issue_silo(JOB, "hospital-a")
    coordinator = authority.issue_coordinator(JOB, server_name(JOB))
    for one, other in ((silo, coordinator), (coordinator, silo)):
        leaf, trusted = map(x509.load_pem_x509_certificate, (one.certificate, other.trust))
        leaf.verify_directly_issued_by(trusted)
        with pytest.raises(ValueError, match="match"):
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(one.trust))


def test_keys_are_elliptic_curves(authority):
    key = x509.load_pem_x509_certificate(authority.issue_silo(JOB, "a").certificate).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_the_server_name_has_the_first_16_digits_of_the_uid():
    assert server_name(JOB) == "j-0f8e7d6c5b4a4938.fedjobs.local"
    assert server_name(JOB, "fed.example.org") == "j-0f8e7d6c5b4a4938.fed.example.org"


def test_an_identity_is_readable_by_its_owner_only_and_can_be_loaded(authority, tmp_path):
    identity = authority.issue_silo(JOB, "hospital-a")
    identity.save(tmp_path / "tls")
    assert Identity.load(tmp_path / "tls") == identity
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert files == {"tls.crt": 0o600, "tls.key": 0o600, "ca.crt": 0o600}


def test_an_authority_is_readable_by_its_owner_only_and_can_issue_after_loading(authority, tmp_path):
    authority.save(tmp_path / "trust")
    assert stat.S_IMODE((tmp_path / "trust").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "trust").iterdir()} == {0o600}
    again = RunAuthority.load(tmp_path / "trust")
    assert again == authority
    assert again.issue_silo(JOB, "hospital-a").trust == authority.issue_silo(JOB, "hospital-a").trust


def test_a_missing_file_is_named(tmp_path):
    for load in (Identity.load, RunAuthority.load):
        with pytest.raises(FedjobsError, match=str(tmp_path)) as raised:
            load(tmp_path)
        assert raised.value.code is ErrorCode.INVALID_CERTIFICATE


def test_keys_are_not_in_logs(authority):
    identity = authority.issue_silo(JOB, "hospital-a")
    for secret in (identity, authority, authority.silos):
        assert "PRIVATE KEY" not in repr(secret)


def test_the_peer_is_the_silo_of_the_certificate():
    names = [b"hospital-a", f"fedjobs:job:{JOB}:silo:hospital-a".encode()]
    assert peer_of({SAN: names}) == Peer(JOB, "hospital-a")


@pytest.mark.parametrize(
    "names",
    [
        [],
        [b"hospital-a"],
        [f"fedjobs:job:{JOB}".encode()],
        [f"fedjobs:job:{JOB}:silo:a".encode(), f"fedjobs:job:{JOB}:silo:b".encode()],
        [b"\xff"],
    ],
)
def test_a_certificate_without_a_silo_or_with_two_is_refused(names):
    with pytest.raises(FedjobsError) as raised:
        peer_of({SAN: names} if names else {})
    assert raised.value.code is ErrorCode.INVALID_CERTIFICATE


def test_an_identity_without_a_job_is_refused():
    with pytest.raises(FedjobsError, match="no job"):
        _ = Identity(b"not a certificate", b"", b"").job_uid


def test_the_operators_certificate_names_no_job_and_no_silo(authority):
    identity = authority.issue_operator()
    names = extension(identity, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["fedjobs:operator"]
    assert list(extension(identity, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    x509.load_pem_x509_certificate(identity.certificate).verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.silos.certificate)
    )
    assert identity.trust == authority.coordinators.certificate


def test_no_certificate_is_for_the_operator_and_a_silo():
    silo, operator = f"fedjobs:job:{JOB}:silo:hospital-a".encode(), b"fedjobs:operator"
    check_operator({SAN: [b"fedjobs-operator", operator]})
    for refuse in (check_operator, peer_of):
        with pytest.raises(FedjobsError) as raised:
            refuse({SAN: [operator, silo]})
        assert raised.value.code is ErrorCode.INVALID_CERTIFICATE


@pytest.mark.parametrize("names", [[], [b"fedjobs-operator"], [f"fedjobs:job:{JOB}".encode()], [b"fedjobs:operators"]])
def test_another_caller_than_the_operator_is_refused_with_its_names(names):
    with pytest.raises(FedjobsError, match="not the operator's") as raised:
        check_operator({SAN: names} if names else {})
    assert raised.value.code is ErrorCode.INVALID_CERTIFICATE


def test_a_lifetime_can_be_set(authority):
    day = datetime.timedelta(days=1)
    for identity in (
        authority.issue_silo(JOB, "a", day),
        authority.issue_coordinator(JOB, server_name(JOB), day),
        authority.issue_operator(day),
    ):
        certificate = x509.load_pem_x509_certificate(identity.certificate)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert day <= life <= day + datetime.timedelta(hours=1)
