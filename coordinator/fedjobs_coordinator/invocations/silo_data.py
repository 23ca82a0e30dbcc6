"""TFF data sources whose iterators return references to the silos' data, for CLIENTS-placed arguments."""

from __future__ import annotations

import tensorflow_federated as tff

from fedjobs_coordinator.invocations.silo_references import SiloData


class SiloDataIterator(tff.program.FederatedDataSourceIterator):
    """Selects the same dataset each time with another seed. Each silo decides how many of its clients it samples."""

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
        """Returns a copy with the same TFF type, which cannot be copied. train_model copies iterators for retries."""
        return SiloDataIterator(self._dataset, self._type, self._selected)

    @property
    def federated_type(self) -> tff.FederatedType:
        """The type of the data source.

        Raises:
            TypeError: The data source has no type.
        """
        if self._type is None:
            raise TypeError(f"the data source of {self._dataset!r} has no type")
        return self._type

    def select(self, k: int | None = None) -> SiloData:
        """Returns the next selection.

        Args:
            k: Ignored. Each silo decides how many of its clients take part.
        """
        del k
        self._selected += 1
        return SiloData(self._dataset, self._selected)

    def select_seeded(self, seed: int) -> SiloData:
        """Returns the selection for a seed. Equal seeds give equal selections."""
        return SiloData(self._dataset, seed)


class SiloDataSource(tff.program.FederatedDataSource):
    """A dataset of the silos, for `tff.program` and `tff.learning.programs`.

    Args:
        dataset: The name of the silos' dataset.
        type_: The type of the CLIENTS-placed argument. Some TFF programs require it.
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
        """The capabilities: any number of selections. The silos decide the number of clients."""
        return [tff.program.Capability.RANDOM_UNIFORM, tff.program.Capability.SUPPORTS_REUSE]

    def iterator(self) -> SiloDataIterator:
        """Returns a new iterator."""
        return SiloDataIterator(self._dataset, self._type)
