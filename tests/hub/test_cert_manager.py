"""Issuers that cert-manager signs. The test uses cert-manager's resource definition and acts as its controller."""

from __future__ import annotations

import base64
import datetime
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fedjobs_protocol.hub.hub_client import HubClient

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.hub.hubs import Federation, install, running_federation

DEFINITION = Path(__file__).parent / "cert_manager/certificaterequests.yaml"
Body = dict[str, Any]
USAGES = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}


class Root:
    """A company's certificate authority. It signs CertificateRequests."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root of a company")])

    def answer(self, body: Body) -> Body:
        """Returns the status of a request that is granted."""
        spec = body["spec"]
        request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        now = datetime.datetime.now(datetime.UTC)
        usages = [USAGES[usage] for usage in spec["usages"] if usage in USAGES]
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.name)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=spec["isCA"], path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)  # type: ignore[arg-type]
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        pem = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return {"certificate": base64.b64encode(pem).decode(), "conditions": [condition("Ready", "True", "Issued")]}


def condition(kind: str, status: str, reason: str, message: str = "by the test") -> Body:
    return {"type": kind, "status": status, "reason": reason, "message": message}


@contextmanager
def fake_cert_manager(server: ApiServer, answer: Callable[[Body], Body]) -> Iterator[list[Body]]:
    """Answers every CertificateRequest, and yields the list of the answered requests."""
    server.kubectl.apply(DEFINITION.read_text())
    wait_until(
        "the API server serves CertificateRequests",
        lambda: server.kubectl.run("get", "certificaterequests", "-A").returncode == 0,
    )
    answered: list[Body] = []
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(0.2):
            for body in json.loads(server.kubectl("get", "certificaterequests", "-A", "-o", "json"))["items"]:
                if body.get("status"):
                    continue
                metadata = body["metadata"]
                place = ["-n", metadata["namespace"], "--subresource=status", "--type=merge"]
                change = json.dumps({"status": answer(body)})
                server.kubectl("patch", "certificaterequest", metadata["name"], *place, "-p", change)
                answered.append(body)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield answered
    finally:
        stopping.set()
        thread.join()


def test_an_authority_signed_by_cert_manager_certifies_silos(api_server: ApiServer, tmp_path: Path) -> None:
    install(api_server)
    options = ("--issuer", "ClusterIssuer/company")
    with (
        fake_cert_manager(api_server, Root().answer) as requests,
        running_federation(api_server, tmp_path, lifetimes=options) as federation,
    ):
        assert [each["spec"]["issuerRef"]["name"] for each in requests] == ["company", "company"]
        assert [each["spec"]["usages"][-1] for each in requests] == ["client auth", "server auth"]
        assert all(each["spec"]["isCA"] for each in requests)
        left = federation.server.kubectl("get", "certificaterequests", "-n", federation.namespace, "-o", "name")
        assert left == ""
        identity = federation.enrolled("certified-by-company")
        issuer = x509.load_pem_x509_certificate(identity.trust).issuer.rfc4514_string()
        assert issuer == "CN=root of a company"
        with federation.hub_client(identity) as hub:
            assert _can_renew(hub, federation, identity)


def _can_renew(hub: HubClient, federation: Federation, identity: Any) -> bool:
    return bool(hub.renew(identity).trust == federation.servers_trust)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: {"conditions": [condition("Denied", "True", "Policy", "not here")]}, "not here"),
        (lambda _: {"conditions": [condition("Ready", "False", "Failed", "Vault is sealed")]}, "Vault is sealed"),
        (lambda body: Root().answer({**body, "spec": {**body["spec"], "isCA": False}}), "not a CA certificate"),
    ],
)
def test_a_hub_whose_request_is_not_signed_says_so_and_does_not_start(
    api_server: ApiServer, tmp_path: Path, answer: Callable[[Body], Body], why: str
) -> None:
    install(api_server)
    options = ("--issuer", "Issuer/company")
    with (
        fake_cert_manager(api_server, answer),
        pytest.raises(Exception, match=why),
        running_federation(api_server, tmp_path, lifetimes=options),
    ):
        pass
