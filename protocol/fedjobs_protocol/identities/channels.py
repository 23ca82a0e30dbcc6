"""gRPC channels and server credentials with TLS, and gRPC options that were tuned by measurement.

All connections use TLS, also on loopback.
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
    # With the bandwidth probe, flow control windows grow without bound: the coordinator needed ten times the memory,
    # and a small call waited 90 ms behind a large one.
    ("grpc.http2.bdp_probe", 0),
    # Bytes in flight on one stream. It limits the speed to this size per round trip, and needs memory for each silo.
    ("grpc.http2.lookahead_bytes", _MIB),
    ("grpc.max_receive_message_length", 16 * _MIB),
    ("grpc.max_send_message_length", 16 * _MIB),
)
_KEEPALIVE: tuple[Option, ...] = (
    # Detect a dead connection within 40 s, also during a transfer.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)

CHANNEL_OPTIONS: tuple[Option, ...] = (
    *_TRANSFER,
    *_KEEPALIVE,
    # Reconnect soon after a restart of the coordinator. The session adds jitter to its own attempts (see retries).
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Do not share connections between channels.
    ("grpc.use_local_subchannel_pool", 1),
)

SERVER_OPTIONS: tuple[Option, ...] = (
    *_TRANSFER,
    *_KEEPALIVE,
    # Prevent a second coordinator from listening on the same port, which would get half of the silos.
    ("grpc.so_reuseport", 0),
    # By default, the server closes connections with more than one ping in 5 minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Concurrent calls on one connection. A silo makes at most four, and must not exhaust the memory with more.
    ("grpc.max_concurrent_streams", 32),
    # Close connections with a slow handshake.
    ("grpc.server_handshake_timeout_ms", 10_000),
)


def open_channel(address: str, server_name: str, identity: Identity, options: tuple[Option, ...] = ()) -> grpc.Channel:
    """Opens a channel to a coordinator or a hub, with mutual TLS.

    Args:
        address: `host:port` to connect to.
        server_name: The name that the server's certificate must have. It is also sent as SNI.
        identity: The silo's identity.
        options: Options that override CHANNEL_OPTIONS.

    Returns:
        A channel. It connects when it is first used, and reconnects after an interruption.
    """
    own = _named(server_name)
    if _is_loopback(address):
        own.append(("grpc.enable_http_proxy", 0))  # a proxy cannot connect to this machine's loopback address
    return grpc.secure_channel(address, _credentials(identity), options=_merged(CHANNEL_OPTIONS, own, options))


def open_enrolment_channel(address: str, server_name: str, trust: bytes, *, proxy: bool = True) -> grpc.Channel:
    """Opens a channel to a hub without a client certificate. TLS authenticates the hub, tokens the caller.

    Args:
        address: `host:port` to connect to.
        server_name: The name that the hub's certificate must have. It is also sent as SNI.
        trust: The issuers of the hub's certificate, as PEM.
        proxy: Whether to use a proxy from the environment (`https_proxy`).
    """
    own = _named(server_name)
    if _is_loopback(address) or not proxy:
        own.append(("grpc.enable_http_proxy", 0))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(trust), options=_merged(CHANNEL_OPTIONS, own))


def open_cluster_channel(address: str, server_name: str, identity: Identity) -> grpc.aio.Channel:
    """Opens an asyncio channel to a coordinator in the same cluster, with mutual TLS and without a proxy.

    Args:
        address: `host:port` to connect to.
        server_name: The name that the coordinator's certificate must have.
        identity: The operator's identity.
    """
    own = [*_named(server_name), ("grpc.enable_http_proxy", 0)]
    return grpc.aio.secure_channel(address, _credentials(identity), options=_merged(CHANNEL_OPTIONS, own))


def server_credentials(identity: Callable[[], Identity], *, from_silos: bool = True) -> grpc.ServerCredentials:
    """Returns TLS credentials for a server that follow its identity without a restart.

    Each identity is passed to gRPC only once. gRPC frees the previous one while handshakes in other threads still use
    it (seen with gRPC 1.85). A new one at each handshake would crash the process after some hundred connections.

    Args:
        identity: Returns the server's current identity: the same object until it changes. Called at each handshake.
        from_silos: Whether clients need a certificate of the silos' issuers. If not, only the server authenticates.
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
