"""Connections between silo and coordinator: mutual TLS, and the options that were measured to be fast.

There is no way to make a connection without TLS, on loopback neither.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from fedjobs_protocol.identities.identities import Identity

Option = tuple[str, int | str]

_MIB = 1 << 20
_TRANSFER: tuple[Option, ...] = (
    # The bandwidth probe grows the windows without bound: the coordinator took ten times the memory, and a small call
    # waited 90 ms behind a large one.
    ("grpc.http2.bdp_probe", 0),
    # Bytes in flight on one stream. It caps the speed at this / round trip, so that a link of 50 ms wants 8 MiB;
    # it costs memory for each silo.
    ("grpc.http2.lookahead_bytes", _MIB),
    ("grpc.max_receive_message_length", 16 * _MIB),
    ("grpc.max_send_message_length", 16 * _MIB),
)
_KEEPALIVE: tuple[Option, ...] = (
    # A dead link is noticed within 40 s, also in the middle of a transfer.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)

CHANNEL_OPTIONS: tuple[Option, ...] = (
    *_TRANSFER,
    *_KEEPALIVE,
    # Back soon after a restart of the coordinator; the session spreads its own attempts (see retries).
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A channel is one connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
)

SERVER_OPTIONS: tuple[Option, ...] = (
    *_TRANSFER,
    *_KEEPALIVE,
    # Otherwise a second coordinator could listen on the same port and would get half of the silos.
    ("grpc.so_reuseport", 0),
    # Without these the server ends connections whose pings come "too often" (every 5 min is its default).
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Calls at a time on one connection: a silo has four at most, and must not be able to fill the memory with more.
    ("grpc.max_concurrent_streams", 32),
    # Who does not get on with the handshake is in the way.
    ("grpc.server_handshake_timeout_ms", 10_000),
)


def open_channel(address: str, server_name: str, identity: Identity, options: tuple[Option, ...] = ()) -> grpc.Channel:
    """Connects to a coordinator; mutual TLS.

    Args:
        address: `host:port` to dial.
        server_name: The name that the coordinator's certificate must have; also sent as SNI.
        identity: The silo's.
        options: Win over CHANNEL_OPTIONS.

    Returns:
        A channel that connects when it is first used, and again after each cut.
    """
    own = _named(server_name)
    if _is_loopback(address):
        own.append(("grpc.enable_http_proxy", 0))  # a proxy of the environment cannot reach this machine's loopback
    return grpc.secure_channel(address, _credentials(identity), options=_merged(CHANNEL_OPTIONS, own, options))


def open_enrolment_channel(address: str, server_name: str, trust: bytes, *, proxy: bool = True) -> grpc.Channel:
    """Connects to a hub without a certificate of one's own: the hub proves itself, the caller by its messages.

    Args:
        address: `host:port` to dial.
        server_name: The name that the hub's certificate must have; also sent as SNI.
        trust: PEM, the issuers of the hub's certificate.
        proxy: Whether a proxy of the environment (`https_proxy`) may be used.
    """
    own = _named(server_name)
    if _is_loopback(address) or not proxy:
        own.append(("grpc.enable_http_proxy", 0))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(trust), options=_merged(CHANNEL_OPTIONS, own))


def open_cluster_channel(address: str, server_name: str, identity: Identity) -> grpc.aio.Channel:
    """Connects to a coordinator of the same cluster, for an event loop; mutual TLS, and no proxy in between.

    Args:
        address: `host:port` to dial.
        server_name: The name that the coordinator's certificate must have.
        identity: The operator's.
    """
    own = [*_named(server_name), ("grpc.enable_http_proxy", 0)]
    return grpc.aio.secure_channel(address, _credentials(identity), options=_merged(CHANNEL_OPTIONS, own))


def server_credentials(identity: Callable[[], Identity], *, from_silos: bool = True) -> grpc.ServerCredentials:
    """A server's side of TLS, which follows the identity without a restart.

    gRPC is told of an identity once only: it frees the last one while handshakes of other threads use it (seen with
    gRPC 1.85), so that some hundred connections would end the process if there were another one at each handshake.

    Args:
        identity: The server's as it is now: the same object as long as it does not change. Asked for at each handshake.
        from_silos: A peer without a certificate of the silos' issuers is refused in the handshake; otherwise the server
            alone proves itself.
    """
    known = identity()

    def configuration(current: Identity) -> Any:
        trust = current.trust if from_silos else None
        return grpc.ssl_server_certificate_configuration([(current.key, current.certificate)], trust)

    def changed() -> Any:
        nonlocal known
        current = identity()
        if current is known:
            return None
        known = current
        return configuration(current)

    return grpc.dynamic_ssl_server_credentials(configuration(known), changed, require_client_authentication=from_silos)


def _credentials(identity: Identity) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(identity.trust, identity.key, identity.certificate)


def _named(server_name: str) -> list[Option]:
    return [("grpc.ssl_target_name_override", server_name), ("grpc.default_authority", server_name)]


def _merged(*groups: tuple[Option, ...] | list[Option]) -> list[Option]:
    return list({name: (name, value) for group in groups for name, value in group}.values())


def _is_loopback(address: str) -> bool:
    host = address.rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
