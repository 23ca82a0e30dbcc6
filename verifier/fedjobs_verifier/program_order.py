"""The order of the segments of a program, and of the tensors that come out of each. It depends on the structure only.

It is found from the end: the last segment is the one whose outputs the program uses first, of those that no other
segment waits for. Its tensors come in the order in which the rest of the program uses them.
"""

from __future__ import annotations

from collections.abc import Sequence


def label_of(value: int, inputs: int) -> str:
    """Returns what the value of a program is, for the order of the nodes that use it.

    Args:
        value: The number of the value.
        inputs: The number of inputs of the program. The order of other values is not known before that of the nodes.
    """
    return f"input {value}" if value < inputs else "value"


class Uses:
    """What the rest of a program uses of its segments.

    Args:
        inputs: The number of inputs of the program. Its values are these, and then the outputs of the segments.
        segments: For each segment, the values that it gets, and the number of its outputs.
        outputs: The values that come out of the program.
    """

    def __init__(self, inputs: int, segments: Sequence[tuple[Sequence[int], int]], outputs: Sequence[int]) -> None:
        self._makers: dict[int, int] = {}
        for number, (_, count) in enumerate(segments):
            self._makers |= {inputs + len(self._makers) + i: number for i in range(count)}
        self._waiting = dict.fromkeys(range(len(segments)), 0)
        for given, _ in segments:
            for maker in {self._makers[value] for value in given if value in self._makers}:
                self._waiting[maker] += 1
        self._used: dict[int, dict[int, None]] = {}
        self._use(outputs)

    def last(self) -> int | None:
        """Returns the segment that comes last of those that are left. None if none of them is used."""
        return next((number for number in self._used if not self._waiting[number]), None)

    def take(self, segment: int, given: Sequence[int]) -> list[int]:
        """Takes away the last segment. Returns its values that are used, in the order of their first use.

        Args:
            segment: The segment.
            given: The values that it gets, in the order in which its graph uses them.
        """
        values = list(self._used.pop(segment))
        for maker in {self._makers[value] for value in given if value in self._makers}:
            self._waiting[maker] -= 1
        self._use(given)
        return values

    def values(self, segment: int) -> list[int]:
        """Returns the values of a segment that are used, in the order of their first use."""
        return list(self._used[segment])

    def _use(self, values: Sequence[int]) -> None:
        for value in values:
            if value in self._makers:
                self._used.setdefault(self._makers[value], {})[value] = None
