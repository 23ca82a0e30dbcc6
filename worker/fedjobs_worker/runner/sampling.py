"""Samples the clients of a silo for a round.

A coordinator chooses the seed of each round, and gets a sum over the sample. If two samples could differ in one client,
the difference of two sums would be that client's value. Two things prevent this:

- The silo mixes a secret into the seed. So a coordinator cannot compute which clients a seed selects.
- The secret divides the clients into fixed groups of at least `minClients`. A sample consists of whole groups. So the
  samples differ in whole groups, and sums and differences of results are over at least `minClients` clients.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable

import numpy as np
from fedjobs_protocol.transfers.values import Array


def sample(clients: int, per_round: int | None, seed: int, secret: bytes = b"", least: int = 1) -> Array:
    """Returns the indices of the clients of a round, int64, in ascending order.

    The same arguments give the same clients with every version of every library.

    Args:
        clients: The number of clients of the dataset.
        per_round: The maximum number of clients in a round, or None for all.
        seed: The coordinator's seed for the round, 0 <= seed < 2**64.
        secret: The silo's secret. See `sampling_secrets`.
        least: The smallest number of clients in a group, which is `policy.minClients`.
    """
    if per_round is None or per_round >= clients:
        return np.arange(clients, dtype=np.int64)
    groups = _groups(clients, max(1, min(least, per_round)), secret)
    ranked = sorted(range(len(groups)), key=_ranks(seed.to_bytes(8, "little"), secret))
    chosen: list[int] = []
    for number in ranked:
        if len(chosen) + len(groups[number]) <= per_round:
            chosen += groups[number]
    if not chosen:  # no group is small enough: one fixed sample
        chosen = groups[0][:per_round]
    return np.array(sorted(chosen), dtype=np.int64)


def _groups(clients: int, least: int, secret: bytes) -> list[list[int]]:
    """Divides the clients into groups of at least `least`. They are fixed for a secret and a number of clients."""
    if least == 1:
        return [[client] for client in range(clients)]
    order = sorted(range(clients), key=_ranks(b"groups", secret))
    count = clients // least
    bounds = [number * clients // count for number in range(count + 1)]
    return [order[start:end] for start, end in itertools.pairwise(bounds)]


def _ranks(purpose: bytes, secret: bytes) -> Callable[[int], bytes]:
    prefix = hashlib.blake2b(purpose, key=secret[:64], digest_size=8)

    def rank(index: int) -> bytes:
        ranked = prefix.copy()
        ranked.update(index.to_bytes(8, "little"))
        return ranked.digest()

    return rank
