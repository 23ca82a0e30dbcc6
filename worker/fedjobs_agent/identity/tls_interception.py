"""Detects a proxy that intercepts TLS between a silo and its federation, by the certificate that it presents."""

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
    """Returns the issuer of the server's certificate if it is not trusted.

    The connection does not verify the certificate, and no data are sent over it.

    Args:
        address: The `host:port` to connect to.
        server_name: The requested server name.
        trust: The trusted issuers, in PEM.

    Returns:
        The issuer's name (RFC 4514), or None if it is trusted or no TLS server answers.
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
