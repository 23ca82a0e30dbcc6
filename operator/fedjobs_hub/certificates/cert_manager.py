"""Issuers that cert-manager signs, and so whatever stands behind it: a CA, Vault, a cloud's CA.

The hub asks for an intermediate authority in each generation, by a CertificateRequest, and issues the certificates of
silos and servers itself. It cannot ask for those one by one: cert-manager issues for the names in a request that its
key has signed, and who has the key is not who may say the names. What is trusted in the federation is the
intermediate alone, so that another certificate of the same root is worth nothing here.
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
    """Which of cert-manager's issuers signs."""

    kind: str
    name: str
    group: str = "cert-manager.io"


def issuer_ref(text: str) -> IssuerRef:
    """Reads `Issuer/NAME` or `ClusterIssuer/NAME`, with a group of its own as `Kind.GROUP/NAME`.

    Raises:
        ValueError: It is something else.
    """
    kind_and_group, _, name = text.partition("/")
    kind, _, group = kind_and_group.partition(".")
    if not kind or not name:
        raise ValueError("write Issuer/NAME or ClusterIssuer/NAME")
    return IssuerRef(kind, name, group or IssuerRef.group)


class CertManager:
    """Makes issuers; blocks until they are signed.

    Args:
        api: Of the cluster.
        namespace: The hub's, where the requests are made.
        ref: Who signs.
        sleep: Waits for so many seconds; for tests.
    """

    def __init__(
        self, api: ClusterApi, namespace: str, ref: IssuerRef, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._ref = ref
        self._sleep = sleep

    def __call__(self, name: str, purpose: Purpose) -> Issuer:
        """An issuer of that name.

        Raises:
            FedjobsError: UNAVAILABLE: it was refused, or not signed in a minute, or is no authority.
        """
        key = keys.create()
        made = self._api.create(Resource.CERTIFICATE_REQUEST, self._request(_signing_request(name, key), purpose))
        if made is None:
            raise _failed("there is one of its name already")
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
        raise _failed(f"it was not signed in {_PATIENCE_S:.0f} s")

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
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificate(certificates).public_bytes(serialization.Encoding.PEM)


def _check(certificate: bytes, key: bytes) -> None:
    """Makes sure that it is an authority, with our key."""
    own = keys.fingerprint(keys.requested_key(keys.signing_request(key)))
    if keys.fingerprint(keys.certified_key(certificate)) != own:
        raise _failed("the certificate is for another key")
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise _failed("the certificate is not an authority's: its issuer does not sign any")


def _failed(why: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.UNAVAILABLE, f"cert-manager does not sign the hub's issuer: {why.rstrip('.')}.", _REMEDY
    )
