"""One silo of the limit: receives and sends repeatedly, until the server ends."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import grpc
from fedjobs_protocol.identities.identities import Identity

from bench.limit import CHUNK, OPTIONS, chunks


def exchange(channel: grpc.Channel, size: int) -> None:
    down = channel.unary_stream("/limit/Down", None, None)  # raw bytes
    up = channel.stream_unary("/limit/Up", None, None)
    chunk = bytes(CHUNK)
    while True:
        arrived = sum(map(len, down(b"")))
        if arrived != size:
            raise ValueError(f"received {arrived} bytes, expected {size}")
        up(chunks(size, chunk))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True, help="name in the server's certificate")
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--payload", type=int, required=True, help="bytes")
    arguments = parser.parse_args()
    identity = Identity.load(arguments.tls)
    credentials = grpc.ssl_channel_credentials(identity.trust, identity.key, identity.certificate)
    options = (*OPTIONS, ("grpc.ssl_target_name_override", arguments.name))
    with grpc.secure_channel(f"127.0.0.1:{arguments.port}", credentials, options) as channel:
        try:
            exchange(channel, arguments.payload)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            sys.exit(0)  # the server has ended, because the benchmark has ended


if __name__ == "__main__":
    main()
