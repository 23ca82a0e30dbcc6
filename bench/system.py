"""A measured part: this system, with a coordinator and real silo processes on the loopback with mutual TLS.

The coordinator is in this process, as in a notebook. A round starts from the result of the previous round, as in a
training. Otherwise the silos would already have the value, and nothing would be sent. Silos create the first value, so
that the measured memory is the coordinator's. An array of the program would count in addition.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bench.memory import forget_peak, resident
from bench.parts import serve
from bench.payloads import Payload

_ROUNDS_FINITE = 20  # values grow by the number of silos in each round


class System:
    def __init__(self, silos: int, size: int) -> None:
        from bench.computation import add_and_sum, check, made_in_silos

        # The first round, over one float, does the imports, connections and planning, which belong to the idle state.
        self._ones = [np.float32(1)] * silos
        tiny = np.zeros(1, np.float32)
        check(add_and_sum(1)(tiny, self._ones), tiny, silos)
        forget_peak()
        self._idle, _ = resident()
        payload = Payload(f"{size}B", size)
        self._computation = add_and_sum(payload.elements)
        self._rounds = 0
        self._first = made_in_silos(payload.elements)(self._ones)
        self._values = self._computation(self._first, self._ones)
        check(self._values, self._first, silos)

    def round(self) -> float:
        self._rounds += 1
        if self._rounds % _ROUNDS_FINITE == 0:
            self._values = self._first
        start = time.perf_counter()
        self._values = self._computation(self._values, self._ones)
        return time.perf_counter() - start

    def memory(self) -> dict[str, float]:
        _, peak = resident()
        return {"idle": self._idle, "peak": peak}


@contextmanager
def running(silos: int, size: int) -> Iterator[System]:
    import fedjobs
    import fedjobs.local

    fedjobs.set_local_execution_context(num_silos=silos)
    try:
        yield System(silos, size)
    finally:
        fedjobs.local.close()


if __name__ == "__main__":
    serve(running)
