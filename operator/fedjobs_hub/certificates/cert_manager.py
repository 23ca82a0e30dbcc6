"""Issuers that cert-manager signs, with any backend of cert-manager: a CA, Vault or a cloud provider's CA.

For each generation, the hub requests an intermediate CA with a CertificateRequest, and issues the certificates of silos
and servers itself. It cannot request these one by one: cert-manager issues for the names in a request that is signed
with the certificate's key, but the owner of the key must not choose the names. The federation only trusts the
intermediate CA, so other certificates of the same root are not accepted.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.certificates import Issuer, Purpose

from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.names import LABELS

_DURATION = "8760h0m0s"
_USAGES = {Purpose.CLIENT: "client auth", Purpose.SERVER: "server auth"}
_PATIENCE_S, _LOOK_EVERY_S = 60.0, 0.5
_REMEDY = "See the CertificateRequest, and cert-manager's log."


@dataclass(frozen=True)
class IssuerRef:
    """A reference to the cert-manager issuer that signs."""

    kind: str
    name: str
    group: str = "cert-manager.io"


def issuer_ref(text: str) -> IssuerRef:
    """Parses `Issuer/NAME`, `ClusterIssuer/NAME`, or `Kind.GROUP/NAME` for another API group.

    Raises:
        ValueError: The text has another form.
    """
    kind_and_group, _, name = text.partition("/")
    kind, _, group = kind_and_group.partition(".")
    if not kind or not name:
        raise ValueError("must be of the form Issuer/NAME or ClusterIssuer/NAME")
    return IssuerRef(kind, name, group or IssuerRef.group)


class CertManager:
    """Creates issuers. Blocks until they are signed.

    Args:
        api: The cluster's API.
        namespace: The hub's namespace, for the requests.
        ref: The cert-manager issuer.
        sleep: Sleeps for a number of seconds, for tests.
    """

    def __init__(
        self, api: ClusterApi, namespace: str, ref: IssuerRef, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._ref = ref
        self._sleep = sleep

    def __call__(self, name: str, purpose: Purpose) -> Issuer:
        """Creates an issuer with this name.

        Raises:
            FedjobsError: UNAVAILABLE if the request is denied or not signed within a minute, or if the certificate is
                not a CA certificate.
        """
        key = keys.create()
        made = self._api.create(Resource.CERTIFICATE_REQUEST, self._request(_signing_request(name, key), purpose))
        if made is None:
            raise _failed("a CertificateRequest with this name exists already")
        metadata = made["metadata"]
        try:
            certificate = _first(self._signed(metadata["name"]))
        finally:
            self._api.delete(Resource.CERTIFICATE_REQUEST, self._namespace, metadata["name"], uid=metadata["uid"])
        _check(certificate, key)
        return Issuer(certificate, key, purpose)

    def _signed(self, name: str) -> bytes:
        for _ in range(int(_PATIENCE_S / _LOOK_EVERY_S)):
            body = self._api.get(Resource.CERTIFICATE_REQUEST, self._namespace, name) or {}
            status = body.get("status", {})
            conditions = {each["type"]: each for each in status.get("conditions", ())}
            if conditions.get("Ready", {}).get("status") == "True":
                return base64.b64decode(status["certificate"])
            for each in conditions.values():
                if (each["type"], each["status"]) in (("Denied", "True"), ("InvalidRequest", "True")) or (
                    each["type"] == "Ready" and each.get("reason") in ("Failed", "Denied")
                ):
                    raise _failed(each.get("message") or each["type"])
            self._sleep(_LOOK_EVERY_S)
        raise _failed(f"the request was not signed within {_PATIENCE_S:.0f} s")

    def _request(self, csr: bytes, purpose: Purpose) -> Body:
        metadata = {
            "name": f"fedjobs-authority-{uuid.uuid4().hex[:12]}",
            "namespace": self._namespace,
            "labels": LABELS,
        }
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "CertificateRequest",
            "metadata": metadata,
            "spec": {
                "request": base64.b64encode(csr).decode(),
                "isCA": True,
                "duration": _DURATION,
                "usages": ["cert sign", "crl sign", "digital signature", _USAGES[purpose]],
                "issuerRef": {"name": self._ref.name, "kind": self._ref.kind, "group": self._ref.group},
            },
        }


def _signing_request(name: str, key: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, password=None)
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    return builder.sign(loaded, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]


def _first(certificates: bytes) -> bytes:
    """Returns the first certificate of a chain."""
    return x509.load_pem_x509_certificate(certificates).public_bytes(serialization.Encoding.PEM)


def _check(certificate: bytes, key: bytes) -> None:
    """Checks that the certificate is a CA certificate with our key."""
    own = keys.fingerprint(keys.requested_key(keys.signing_request(key)))
    if keys.fingerprint(keys.certified_key(certificate)) != own:
        raise _failed("the certificate is for another key")
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise _failed("the certificate is not a CA certificate; choose an issuer that signs CA certificates")


def _failed(why: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.UNAVAILABLE, f"cert-manager did not sign the hub's issuer: {why.rstrip('.')}.", _REMEDY
    )
