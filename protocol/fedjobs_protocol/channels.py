"""Connections between silo and coordinator: mutual TLS, and the options that were measured to be fast.

There is no way to make a connection without TLS, on loopback neither.
"""

from __future__ import annotations

import ipaddress

import grpc
import grpc.aio

from fedjobs_protocol.identities import Identity

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


def open_cluster_channel(address: str, server_name: str, identity: Identity) -> grpc.aio.Channel:
    """Connects to a coordinator of the same cluster, for an event loop; mutual TLS, and no proxy in between.

    Args:
        address: `host:port` to dial.
        server_name: The name that the coordinator's certificate must have.
        identity: The operator's.
    """
    own = [*_named(server_name), ("grpc.enable_http_proxy", 0)]
    return grpc.aio.secure_channel(address, _credentials(identity), options=_merged(CHANNEL_OPTIONS, own))


def server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """The coordinator's side: a peer without a certificate of the silos' issuer is refused in the handshake."""
    return grpc.ssl_server_credentials(
        [(identity.key, identity.certificate)], root_certificates=identity.trust, require_client_auth=True
    )


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
