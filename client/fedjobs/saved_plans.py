"""Saves plans to files, for programs whose coordinator runs without TensorFlow Federated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Digest

if TYPE_CHECKING:
    import tensorflow_federated as tff


def save_plan(computation: tff.Computation, path: str | Path) -> tuple[Digest, ...]:
    """Plans a computation and writes the plan to a file. `fedjobs_compute.plan_files.load` reads the file.

    Args:
        computation: A supported computation. See the table of computations in the documentation.
        path: The path of the file. Its name without the suffix is the computation's label for silos.

    Returns:
        The digests of the shards that silos run. Silos approve computations by these digests.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION if the computation cannot be planned. The message says why.
    """
    from fedjobs_compute.plan_files import serialize
    from fedjobs_compute.planner.saving import saved_plan

    path = Path(path)
    saved = saved_plan(computation, path.stem)
    write_atomically(path, serialize(saved), mode=0o644)
    return tuple(stage.digest for stage in saved.plan.stages)
