"""All randomness of a program comes from the job's one seed, through here."""

from __future__ import annotations

from typing import Any

_PRIME = 2**31 - 1


def derived(seed: Any, number: Any) -> Any:
    """A seed for the number-th use of a seed: a round, a layer.

    Neighbouring numbers get seeds that lie far apart: adding a small count (an epoch) to one does not meet another.

    Args:
        seed: 0 <= seed < 2**31.
        number: 0 <= number < 2**31.

    Returns:
        0 <= it < 2**31 - 1, which tf.data does not truncate.
    """
    return (seed * 1_000_003 + number) % _PRIME * 48_271 % _PRIME
