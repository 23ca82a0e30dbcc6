"""Samples the clients of a silo for a round."""

from __future__ import annotations

import hashlib

import numpy as np
from fedjobs_protocol.transfers.values import Array


def sample(clients: int, per_round: int | None, seed: int) -> Array:
    """Returns the indices of the clients of a round, int64, in ascending order.

    The same seed gives the same clients with every version of every library. Clients are ranked by a hash of the seed
    and the index, and the first ones are chosen.
    """
    if per_round is None or per_round >= clients:
        return np.arange(clients, dtype=np.int64)
    prefix = hashlib.blake2b(seed.to_bytes(8, "little"), digest_size=8)

    def rank(index: int) -> bytes:
        ranked = prefix.copy()
        ranked.update(index.to_bytes(8, "little"))
        return ranked.digest()

    return np.array(sorted(sorted(range(clients), key=rank)[:per_round]), dtype=np.int64)
