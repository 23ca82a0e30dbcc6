"""Who stands between a silo and its federation, where somebody does: by the name in the certificate that is shown."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import urllib.parse
import urllib.request

from cryptography import x509

_TIMEOUT_S = 10.0


def stranger(address: str, server_name: str, trust: bytes) -> str | None:
    """The issuer of the certificate that is shown there, where it is none that is trusted.

    Nothing is sent over this connection, which trusts nobody.

    Args:
        address: `host:port` that is dialled.
        server_name: The name that is asked for.
        trust: PEM, the issuers that are trusted.

    Returns:
        The issuer's name (RFC 4514); None: a trusted one, or nobody answers by TLS.
    """
    try:
        with contextlib.closing(_connected(address)) as connection:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(connection, server_hostname=server_name) as secured:
                shown = secured.getpeercert(binary_form=True)
        if shown is None:
            return None
        issuer = x509.load_der_x509_certificate(shown).issuer
        known = {each.subject for each in x509.load_pem_x509_certificates(trust)}
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return None if issuer in known else issuer.rfc4514_string()


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    proxy = urllib.request.getproxies().get("https")
    if proxy is None or urllib.request.proxy_bypass(host):
        return socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S)
    way = urllib.parse.urlsplit(proxy)
    connection = http.client.HTTPConnection(way.hostname or "", way.port or 80, timeout=_TIMEOUT_S)
    connection.set_tunnel(host, int(port))
    connection.connect()
    return connection.sock
