from __future__ import annotations

import pytest
from fedjobs_protocol.identities import channels
from fedjobs_protocol.identities.channels import CHANNEL_OPTIONS, SERVER_OPTIONS


@pytest.mark.parametrize("options", [CHANNEL_OPTIONS, SERVER_OPTIONS])
def test_each_option_is_set_once(options):
    assert len(dict(options)) == len(options)


def test_the_server_allows_the_pings_that_the_silo_sends():
    silo, server = dict(CHANNEL_OPTIONS), dict(SERVER_OPTIONS)
    assert server["grpc.http2.min_ping_interval_without_data_ms"] < silo["grpc.keepalive_time_ms"]
    assert server["grpc.http2.max_ping_strikes"] == 0


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("10.0.0.1:1", False),
        ("fed.example.org:443", False),
    ],
)
def test_connections_to_the_loopback_use_no_proxy(address, loopback):
    assert channels._is_loopback(address) == loopback
