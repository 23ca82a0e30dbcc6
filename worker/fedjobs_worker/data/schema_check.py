"""Checks that a dataset has the types that a shard expects, before the shard runs."""

from __future__ import annotations

from collections.abc import Sequence

from fedjobs_common.errors import ErrorCode
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.data.data_errors import DataError
from fedjobs_worker.data.schemas import Component


def positions(silo: str, dataset: str, schema: Sequence[Component], wanted: shard_pb2.Leaf) -> list[int]:
    """Returns the positions of the dataset's components that a client input needs, in the order of the graphs.

    Args:
        silo: The silo's name, for messages.
        dataset: The dataset's name, for messages.
        schema: The dataset's components.
        wanted: The shard's client input.

    Raises:
        DataError: SCHEMA_MISMATCH. The message names the component, its type and the expected type.
    """
    if not wanted.HasField("sequence"):
        raise _misfit(
            f"dataset '{dataset}' of silo {silo} is a sequence of examples, but the computation expects one value, "
            f"{_tensor(wanted.tensor)}",
            "Change the computation to take a sequence.",
        )
    by_name = {component.name: position for position, component in enumerate(schema)}
    found = []
    for component in wanted.sequence.components:
        if component.name not in by_name:
            there = ", ".join(f"{known.name}: {_component(known)}" for known in schema)
            asked = f"a component '{component.name}'" if component.name else "examples of one unnamed component"
            raise _misfit(
                f"dataset '{dataset}' of silo {silo} has {there}, but the computation expects {asked}",
                "Correct the features and the label in the silo file, or the computation's type.",
            )
        position = by_name[component.name]
        _check(silo, dataset, schema[position], component.tensor)
        found.append(position)
    return found


def _check(silo: str, dataset: str, component: Component, wanted: shard_pb2.Tensor) -> None:
    same_shape = wanted.unknown_rank or (
        len(wanted.shape) == len(component.shape)
        and all(size in (-1, actual) for size, actual in zip(wanted.shape, component.shape, strict=True))
    )
    if same_shape and wanted.dtype == component.dtype:
        return
    remedy = (
        "Correct the columns of the features in the silo file, or the model's input."
        if not same_shape
        else "Correct the dtype in the silo file, or the model's input."
    )
    raise _misfit(
        f"dataset '{dataset}' of silo {silo} has {component.name}: {_component(component)}, but the computation "
        f"expects {_tensor(wanted)}",
        remedy,
    )


def _component(component: Component) -> str:
    return f"{component.dtype}[{','.join(map(str, component.shape))}]"


def _tensor(tensor: shard_pb2.Tensor) -> str:
    shape = "any shape" if tensor.unknown_rank else ",".join("?" if size < 0 else str(size) for size in tensor.shape)
    return f"{tensor.dtype}[{shape}]"


def _misfit(message: str, remedy: str) -> DataError:
    return DataError(ErrorCode.SCHEMA_MISMATCH, f"{message}.", remedy)
