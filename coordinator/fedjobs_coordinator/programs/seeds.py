"""Derives all seeds of a program from the job's seed."""

from __future__ import annotations

from typing import Any

_PRIME = 2**31 - 1


def derived(seed: Any, number: Any) -> Any:
    """Returns the seed for a numbered use of a seed, such as a round or a layer.

    Adjacent numbers have distant seeds, so adding a small count (such as an epoch) does not give the seed of another
    number.

    Args:
        seed: 0 <= seed < 2**31.
        number: 0 <= number < 2**31.

    Returns:
        A seed with 0 <= seed < 2**31 - 1, which tf.data does not truncate.
    """
    return (seed * 1_000_003 + number) % _PRIME * 48_271 % _PRIME
