"""A measured part: the same computation on TFF's stock local runtime, with one client per silo.

The stock runtime starts a worker process that outlives its parent. The caller of this part ends it (parts.Part.end).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bench.parts import serve
from bench.payloads import Payload


class StockRuntime:
    def __init__(self, silos: int, size: int) -> None:
        import tensorflow_federated as tff

        from bench.computation import add_and_sum, check

        tff.backends.native.set_sync_local_cpp_execution_context(default_num_clients=silos)
        payload = Payload(f"{size}B", size)
        self._computation = add_and_sum(payload.elements)
        self._values = payload.values()
        self._ones = [np.float32(1)] * silos
        check(self._computation(self._values, self._ones), self._values, silos)

    def round(self) -> float:
        start = time.perf_counter()
        self._computation(self._values, self._ones)
        return time.perf_counter() - start

    def memory(self) -> dict[str, float]:
        return {}


@contextmanager
def running(silos: int, size: int) -> Iterator[StockRuntime]:
    yield StockRuntime(silos, size)


if __name__ == "__main__":
    serve(running)
