"""Interceptors that flip a bit of one chunk, like a faulty disk or memory. (TLS detects faults of the network.)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc


class CorruptOnce(grpc.StreamUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[type-arg]
    """Flips a bit in message `number` of the first stream of raw bytes."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.times = 0

    def intercept_stream_unary(self, continuation: Callable[..., Any], details: Any, messages: Iterator[bytes]) -> Any:
        return continuation(details, self._corrupted(messages))

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return _Call(continuation(details, request), self._corrupted)

    def _corrupted(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        for number, message in enumerate(messages):
            if number == self._number and not self.times:
                self.times += 1
                yield bytes([message[0] ^ 1]) + message[1:]
            else:
                yield message


class _Call:
    def __init__(self, call: Any, corrupted: Callable[[Iterable[bytes]], Iterator[bytes]]) -> None:
        self._call = call
        self._chunks = corrupted(call)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def cancel(self) -> None:
        self._call.cancel()
