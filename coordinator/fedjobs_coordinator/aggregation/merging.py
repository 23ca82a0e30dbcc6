"""Merges the accumulators of many silos, in the order of the silos' names.

Sums, minima and maxima are merged in blocks from the files in one pass. Each silo's bytes are read once. The memory is
that of a few blocks, independent of the number of silos and the size of the leaf. Only some files are open at a time.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
from fedjobs_common.ids import SiloName
from fedjobs_compute.plans import MergeKind
from fedjobs_protocol.transfers import layouts
from fedjobs_protocol.transfers.layouts import TensorLayout
from fedjobs_protocol.transfers.values import layout

from fedjobs_coordinator.aggregation.accumulators import read_value
from fedjobs_coordinator.aggregation.blob_store import BlobStore, stored_array
from fedjobs_coordinator.aggregation.outcomes import Report

Array: TypeAlias = np.ndarray[Any, Any]
Leaves: TypeAlias = list[Any]

BLOCK = 1 << 20  # bytes
_IN_MEMORY = 64 * 1024  # bytes; larger leaves stay in files
_BUFFERS = 3  # one is filled while the others are hashed and written
_MOST_OPEN = 64  # files of reports that are open at a time; a process may have only 1,024 in all

_OPERATIONS: dict[MergeKind, np.ufunc] = {
    MergeKind.SUM: np.add,
    MergeKind.MINIMUM: np.minimum,
    MergeKind.MAXIMUM: np.maximum,
}


class NotFiniteError(Exception):
    """The accumulators of some silos contain NaN or infinity.

    Attributes:
        silos: The names of these silos.
    """

    def __init__(self, silos: Sequence[SiloName]) -> None:
        super().__init__(", ".join(silos))
        self.silos = tuple(silos)


class _OpenFiles:
    """Opens files for reading when they are needed, and closes the one that was not used for the longest time."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def descriptor(self, path: Path) -> int:
        """Returns a descriptor of the file. It is open until another file is asked for."""
        if path not in self._open:
            while len(self._open) >= _MOST_OPEN:
                os.close(self._open.popitem(last=False)[1])
            self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._open.move_to_end(path)
        return self._open[path]


@dataclass(frozen=True)
class _Source:
    silo: SiloName
    path: Path
    files: _OpenFiles
    tensors: dict[str, TensorLayout]

    @property
    def fd(self) -> int:
        return self.files.descriptor(self.path)


class Merger:
    """Merges the accumulators of one stage.

    Args:
        kinds: The merge kind of each leaf.
        store: Stores large results.
    """

    def __init__(self, kinds: Sequence[MergeKind | None], store: BlobStore) -> None:
        self._kinds = kinds
        self._store = store
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="hashes-merged")

    def merge(self, reports: Sequence[Report], general: Callable[[Leaves, Leaves], Leaves]) -> Leaves:
        """Merges the accumulators of reports, in this order.

        Args:
            reports: At least one report. Each has accumulators.
            general: Merges two accumulators. Used if the merge kind of a leaf is not known.

        Raises:
            NotFiniteError: Some silos sent NaN, or infinity in a sum.
        """
        with _OpenFiles() as files:
            sources = [_source(report, files) for report in reports]
            known = [kind for kind in self._kinds if kind is not None]
            if len(known) == len(self._kinds):
                return [self._elementwise(str(i), kind, sources) for i, kind in enumerate(known)]
            return self._whole(sources, general)

    def close(self) -> None:
        """Stops the hashing thread."""
        self._hashing.shutdown()

    def _whole(self, sources: Sequence[_Source], general: Callable[[Leaves, Leaves], Leaves]) -> Leaves:
        culprits = [s.silo for s in sources if any(map(_is_leaf_spoilt, self._kinds, read_value(s.fd)))]
        if culprits:
            raise NotFiniteError(culprits)
        merged: Leaves = read_value(sources[0].fd)
        for source in sources[1:]:
            merged = general(merged, read_value(source.fd))
        # Leaves that the merge passed through are views of a report's file, which is reused when the state is durable.
        return [np.array(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in merged]

    def _elementwise(self, name: str, kind: MergeKind, sources: Sequence[_Source]) -> Array:
        shape = sources[0].tensors[name].shape
        tensors = [(source, source.tensors[name]) for source in sources]
        size, dtype = tensors[0][1].nbytes, tensors[0][1].dtype
        if size <= _IN_MEMORY:
            merged = _reduced(_OPERATIONS[kind], tensors, 0, np.empty(size, np.uint8), np.empty(size, np.uint8))
            self._check(kind, merged, tensors)
            return merged.reshape(shape)
        writer = self._store.writer()
        header = layouts.encode([("0", dtype, shape, size)], {})
        writer.write(header)
        buffers = [np.empty(BLOCK, np.uint8) for _ in range(_BUFFERS)]
        operand = np.empty(BLOCK, np.uint8)
        pending: list[Future[None]] = []
        for number, start in enumerate(range(0, size, BLOCK)):
            if len(pending) == _BUFFERS - 1:
                pending.pop(0).result()
            length = min(BLOCK, size - start)
            buffer = buffers[number % _BUFFERS][:length]
            block = _reduced(_OPERATIONS[kind], tensors, start, buffer, operand[:length])
            self._check(kind, block, tensors)
            pending.append(self._hashing.submit(writer.write, buffer.data))
        for future in pending:
            future.result()
        return stored_array(writer.finish(), dtype, shape, len(header))

    def _check(self, kind: MergeKind, block: Array, tensors: Sequence[tuple[_Source, TensorLayout]]) -> None:
        """Checks the merged block, and only if it is not finite, each silo's block. A sum can also overflow."""
        if block.dtype.kind != "f":
            return
        with np.errstate(all="ignore"):
            if np.isfinite(np.sum(block)) or not _is_spoilt(kind, block):
                return
        culprits = [s.silo for s, tensor in tensors if any(_is_spoilt(kind, b) for b in _blocks(s.fd, tensor))]
        if culprits:
            raise NotFiniteError(culprits)


def _source(report: Report, files: _OpenFiles) -> _Source:
    if report.path is None:
        raise ValueError(f"the report of {report.silo} has no accumulators")
    tensors = {tensor.name: tensor for tensor in layout(files.descriptor(report.path))}
    return _Source(report.silo, report.path, files, tensors)


def _reduced(
    operation: np.ufunc, tensors: Sequence[tuple[_Source, TensorLayout]], start: int, into: Array, operand: Array
) -> Array:
    """Combines one block of all silos into `into`, in order."""
    result = into.view(tensors[0][1].dtype)
    for number, (source, tensor) in enumerate(tensors):
        _read(source.fd, operand if number else into, tensor.offset + start)
        if number:
            with np.errstate(all="ignore"):  # `_check` finds values that are not finite
                operation(result, operand.view(tensor.dtype), out=result)
    return result


def _read(fd: int, into: Array, offset: int) -> None:
    view = into.data
    while view:
        count = os.preadv(fd, [view], offset)
        if not count:
            layouts.corrupt(f"a report's file ends at byte {offset}, inside a tensor")
        view, offset = view[count:], offset + count


def _blocks(fd: int, tensor: TensorLayout) -> Any:
    for start in range(0, tensor.nbytes, BLOCK):
        block = np.empty(min(BLOCK, tensor.nbytes - start), np.uint8)
        _read(fd, block, tensor.offset + start)
        yield block.view(tensor.dtype)


def _is_spoilt(kind: MergeKind | None, block: Array) -> bool:
    """Returns whether a block has NaN, or infinity in a sum. Infinity can be the zero of a minimum."""
    return bool(np.isnan(block).any()) or (kind is MergeKind.SUM and not bool(np.isfinite(block).all()))


def _is_leaf_spoilt(kind: MergeKind | None, leaf: Any) -> bool:
    if not isinstance(leaf, np.ndarray) or not (leaf.dtype.kind in "fc" or leaf.dtype.name == "bfloat16"):
        return False
    return _is_spoilt(kind, leaf)
