"""Loads a silo's dataset: combines columns of its files into components of examples, and sorts them by client.

An example has the components `x` (or `x/<feature>`) and, with a label, `y`. This is the structure that TFF's learning
algorithms expect, flattened in the order of its sorted keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import Array

from fedjobs_worker.data.schemas import Component
from fedjobs_worker.data.sources import csv, npz, parquet
from fedjobs_worker.data.sources.columns import TEXT, ColumnRequest, Columns, numpy_dtype
from fedjobs_worker.data.sources.locations import matching
from fedjobs_worker.silo_files import DatasetFile, FeatureSpec, Source


@dataclass(frozen=True)
class Dataset:
    """All examples of a silo.

    Attributes:
        schema: The components in the order of `arrays`.
        arrays: The first dimension is the examples. The examples of one client are contiguous.
        offsets: int64 [clients + 1]. Client i has the examples offsets[i]:offsets[i + 1].
    """

    schema: tuple[Component, ...]
    arrays: tuple[Array, ...]
    offsets: Array


def load(description: DatasetFile) -> Dataset:
    """Reads a dataset as the silo file describes it.

    Clients are sorted by their IDs as strings, and the examples of a client are in the order of the files. An empty
    client ID is a valid ID.

    Raises:
        FedjobsError: DATA_NOT_FOUND, DATA_MALFORMED, SCHEMA_MISMATCH.
    """
    features = _features(description)
    requests = [ColumnRequest(name, spec.dtype) for spec in features.values() for name in _columns(spec)]
    if description.label:
        requests.append(ColumnRequest(description.label.column, description.label.dtype))
    clients = ColumnRequest(description.clients.column, TEXT) if description.clients else None
    columns = _read(description.source, list(dict.fromkeys([*requests, *([clients] if clients else [])])))

    components: dict[str, tuple[str, Array]] = {
        f"x/{name}" if name else "x": (spec.dtype, _joined(spec, columns)) for name, spec in features.items()
    }
    if description.label:
        label = ColumnRequest(description.label.column, description.label.dtype)
        components["y"] = (label.dtype, columns[label])
    arrays = [array for _, array in components.values()]
    rows = len(arrays[0])
    offsets = np.array([0, rows] if rows else [0], dtype=np.int64)
    if clients:
        order, offsets = _by_client(columns[clients])
        arrays = [array[order] for array in arrays]
    schema = [Component(name, dtype, array.shape[1:]) for name, (dtype, array) in components.items()]
    return Dataset(tuple(schema), tuple(arrays), offsets)


def _features(description: DatasetFile) -> dict[str, FeatureSpec]:
    features = description.features
    if features.spec is not None:
        return {name: features.spec[name] for name in sorted(features.spec)}
    return {"": FeatureSpec(columns=features.columns, dtype=features.dtype)}


def _columns(spec: FeatureSpec) -> list[str]:
    return [spec.column] if spec.column is not None else list(spec.columns or [])


def _read(source: Source, requests: Sequence[ColumnRequest]) -> Columns:
    if source.csv:
        read, path = partial(csv.read, delimiter=source.csv.delimiter), source.csv.path
    elif source.parquet:
        read, path = partial(parquet.read), source.parquet.path
    else:
        assert source.npz is not None  # noqa: S101 (the model allows exactly one)
        read, path = partial(npz.read), source.npz.path
    files = matching(path)
    parts = [read(file, requests) for file in files]
    for file, part in zip(files, parts, strict=True):
        for request in requests:
            _check_shape(str(file), request, part[request], parts[0][request], rows=len(part[requests[0]]))
    return {request: np.concatenate([part[request] for part in parts]) for request in requests}


def _check_shape(file: str, request: ColumnRequest, array: Array, first: Array, rows: int) -> None:
    if array.shape[1:] != first.shape[1:] or len(array) != rows:
        raise FedjobsError(
            ErrorCode.DATA_MALFORMED,
            f"{file}, column '{request.name}' has the shape {list(array.shape)}, "
            f"but the other columns and files require {[rows, *first.shape[1:]]}.",
            "Write all rows with the same shape.",
        )


def _joined(spec: FeatureSpec, columns: Columns) -> Array:
    """Returns the array of a feature. Its first dimension is the rows."""
    parts = [columns[ColumnRequest(name, spec.dtype)] for name in _columns(spec)]
    rows = len(parts[0])
    if spec.column is None and not (len(parts) == 1 and parts[0].ndim > 1):
        joined = np.empty((rows, sum(_width(part) for part in parts)), dtype=numpy_dtype(spec.dtype))
        position = 0
        for part in parts:
            joined[:, position : position + _width(part)] = part.reshape(rows, _width(part))
            position += _width(part)
    else:
        joined = parts[0]
    if spec.shape is None:
        return joined
    if int(np.prod(spec.shape)) != _width(joined):
        raise FedjobsError(
            ErrorCode.SCHEMA_MISMATCH,
            f"the feature of {', '.join(_columns(spec))} has {_width(joined)} values in each row, but its shape "
            f"{list(spec.shape)} requires {int(np.prod(spec.shape))}.",
            "Correct the shape in the silo file.",
        )
    return joined.reshape(rows, *spec.shape)


def _width(array: Array) -> int:
    return int(np.prod(array.shape[1:]))


def _by_client(ids: Array) -> tuple[Array, Array]:
    """Returns the order of the rows by client, and the clients' offsets."""
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return np.argsort(inverse, kind="stable"), offsets
