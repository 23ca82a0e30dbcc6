"""TFF's data sources that hand out references to the silos' data, for CLIENTS-placed arguments."""

from __future__ import annotations

import tensorflow_federated as tff

from fedjobs_coordinator.invocations.silo_references import SiloData


class SiloDataIterator(tff.program.FederatedDataSourceIterator):
    """Selects the same data each time, with another seed: the silos' own policies say how many clients are sampled."""

    def __init__(self, dataset: str, type_: tff.FederatedType | None, selected: int = 0) -> None:
        self._dataset = dataset
        self._type = type_
        self._selected = selected

    @classmethod
    def from_bytes(cls, buffer: bytes) -> SiloDataIterator:
        """See the base class."""
        dataset, _, selected = buffer.decode().rpartition(":")
        return cls(dataset, None, int(selected))

    def to_bytes(self) -> bytes:
        """See the base class."""
        return f"{self._dataset}:{self._selected}".encode()

    def __deepcopy__(self, memo: object) -> SiloDataIterator:
        """A copy; train_model takes one to go back to a round's start. TFF's types cannot be copied, nor need they."""
        return SiloDataIterator(self._dataset, self._type, self._selected)

    @property
    def federated_type(self) -> tff.FederatedType:
        """The type that the source was made for.

        Raises:
            TypeError: It was made without one.
        """
        if self._type is None:
            raise TypeError(f"the data source of {self._dataset!r} was made without a type")
        return self._type

    def select(self, k: int | None = None) -> SiloData:
        """The next selection.

        Args:
            k: Ignored: each silo decides how many of its clients take part.
        """
        del k
        self._selected += 1
        return SiloData(self._dataset, self._selected)

    def select_seeded(self, seed: int) -> SiloData:
        """A selection that is the same for the same seed."""
        return SiloData(self._dataset, seed)


class SiloDataSource(tff.program.FederatedDataSource):
    """The silos' data of one name, for `tff.program` and `tff.learning.programs`.

    Args:
        dataset: The name under which silos offer them.
        type_: Type of the CLIENTS-placed argument; needed by those programs that ask for it.
    """

    def __init__(self, dataset: str, type_: tff.FederatedType | None = None) -> None:
        self._dataset = dataset
        self._type = type_

    @property
    def federated_type(self) -> tff.FederatedType:
        """See SiloDataIterator."""
        return SiloDataIterator(self._dataset, self._type).federated_type

    @property
    def capabilities(self) -> list[tff.program.Capability]:
        """Any number of selections, of as many clients as the silos say."""
        return [tff.program.Capability.RANDOM_UNIFORM, tff.program.Capability.SUPPORTS_REUSE]

    def iterator(self) -> SiloDataIterator:
        """A new iterator."""
        return SiloDataIterator(self._dataset, self._type)
