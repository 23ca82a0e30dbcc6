"""Which of the silo's datasets a computation reads, directly or through values that earlier stages have kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataReads:
    """What a shard reads.

    Attributes:
        inputs: For each client input of the shard, the silo's dataset. Empty for a value of the coordinator.
        clients: The silo's dataset over whose clients the shard runs. Empty if the coordinator gives their number.
        kept: For each kept input of the shard, the silo's datasets from which earlier stages computed it, sorted.
    """

    inputs: tuple[str, ...] = ()
    clients: str = ""
    kept: tuple[tuple[str, ...], ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of all datasets, sorted."""
        names = {*self.inputs, self.clients, *(name for names in self.kept for name in names)}
        return tuple(sorted(names - {""}))


NOTHING = DataReads()
