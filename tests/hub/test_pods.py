"""Coordinators and the operator authenticate with their pods' tokens. The API server reviews real tokens."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from fedjobs_common.errors import ErrorCode
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import OPERATOR_URI, Identity, coordinator_uri, server_name

from tests.hub.hubs import Federation
from tests.hub.refusals import code, refusal


def coordinator(federation: Federation, token: str) -> Identity:
    with federation.enrolment() as client:
        return client.issue_coordinator(token, keys.create())


def operator(federation: Federation, token: str) -> Identity:
    with federation.enrolment() as client:
        return client.issue_operator(token, keys.create())


def names_of(identity: Identity) -> tuple[list[str], list[str], list[object]]:
    extensions = x509.load_pem_x509_certificate(identity.certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        names.get_values_for_type(x509.DNSName),
        names.get_values_for_type(x509.UniformResourceIdentifier),
        list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value),
    )


def test_a_coordinator_gets_the_name_of_its_own_job(federation: Federation) -> None:
    uid = federation.job([], "coordinated")
    identity = coordinator(federation, federation.coordinator_token("coordinated"))
    assert names_of(identity) == (
        [server_name(uid, federation.front_door)],
        [coordinator_uri(uid)],
        [ExtendedKeyUsageOID.SERVER_AUTH],
    )
    assert identity.job_uid == uid
    trust = federation.get("configmap", "fedjobs-trust", federation.namespace)["data"]
    assert identity.trust.decode() == trust["silos.crt"]
    assert identity.expires - identity.issued == datetime.timedelta(days=1)


def test_a_pod_that_is_not_a_coordinators_gets_no_certificate(federation: Federation) -> None:
    federation.job([], "somebody-elses")
    job = federation.owner("federatedjob", "somebody-elses")
    for owners in ([], [job], [job | {"kind": "Job", "apiVersion": "batch/v1"}]):
        token = federation.pod_token(owners=owners)
        refused = refusal(lambda token=token: coordinator(federation, token))  # type: ignore[misc]
        assert refused.code is ErrorCode.INVALID_TOKEN
        assert "not the coordinator of a FederatedJob" in refused.message


def test_a_jobs_owner_must_have_the_jobs_uid_and_not_only_its_name(federation: Federation) -> None:
    federation.job([], "replaced")
    token = federation.coordinator_token("replaced")
    federation.server.kubectl("delete", "federatedjob", "replaced", "-n", federation.namespace)
    federation.job([], "replaced")
    assert code(lambda: coordinator(federation, token)) is ErrorCode.INVALID_TOKEN


def test_a_job_that_a_user_created_is_not_the_coordinators(federation: Federation) -> None:
    """A user who can create Jobs can name any FederatedJob as the owner."""
    federation.job([], "victim")
    assert coordinator(federation, federation.coordinator_token("victim"))
    for name, expected in (("theirs", ErrorCode.INVALID_TOKEN), ("victim-coordinator-2", ErrorCode.UNAVAILABLE)):
        theirs = federation.foreign_token("victim", name)
        assert code(lambda theirs=theirs: coordinator(federation, theirs)) is expected  # type: ignore[misc]


def test_the_token_of_a_deleted_pod_is_refused(federation: Federation) -> None:
    federation.job([], "orphaned")
    token = federation.coordinator_token("orphaned")
    assert coordinator(federation, token)
    federation.server.kubectl("delete", "pods", "--all", "--grace-period=0", "--force", "-n", federation.namespace)
    assert code(lambda: coordinator(federation, token)) is ErrorCode.INVALID_TOKEN


def test_tokens_for_other_audiences_forged_ones_and_too_long_ones_are_refused(federation: Federation) -> None:
    federation.job([], "wanted-by-many")
    good = federation.coordinator_token("wanted-by-many")
    account = federation.server.kubectl(
        "create", "token", "default", "-n", federation.namespace, "--audience=fedjobs-hub"
    )
    other_audience = federation.pod_token(audience="https://kubernetes.default.svc.cluster.local")
    for token in ("", "x", good[:-4] + "AAAA", good + "x" * 10_000, account.strip(), other_audience):
        refused = refusal(lambda token=token: coordinator(federation, token))  # type: ignore[misc]
        assert refused.code is ErrorCode.INVALID_TOKEN
        assert token not in refused.public or token in ("", "x")


def test_only_the_configured_account_is_the_operator(federation: Federation) -> None:
    identity = operator(federation, federation.pod_token(account="fedjobs"))
    assert names_of(identity)[1:] == ([OPERATOR_URI], [ExtendedKeyUsageOID.CLIENT_AUTH])
    assert identity.trust == federation.servers_trust
    assert code(lambda: operator(federation, federation.pod_token())) is ErrorCode.INVALID_TOKEN
    federation.server.kubectl("create", "namespace", "elsewhere")
    elsewhere = federation.pod_token("elsewhere", account="fedjobs")
    assert code(lambda: operator(federation, elsewhere)) is ErrorCode.INVALID_TOKEN
