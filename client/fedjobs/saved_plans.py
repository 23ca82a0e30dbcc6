"""Plans in files, for programs that run without TensorFlow Federated at the coordinator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Digest

if TYPE_CHECKING:
    import tensorflow_federated as tff


def save_plan(computation: tff.Computation, path: str | Path) -> tuple[Digest, ...]:
    """Plans a computation and writes the plan to a file, which `fedjobs_compute.plan_files.load` reads.

    Args:
        computation: Any that is planned, see the table of computations in the docs.
        path: Of the file; its name without the suffix is what people see that is computed.

    Returns:
        The digests of what silos are asked to run: what their people approve.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION names what cannot be planned, and why.
    """
    from fedjobs_compute.plan_files import serialize
    from fedjobs_compute.planner.saving import saved_plan

    path = Path(path)
    saved = saved_plan(computation, path.stem)
    write_atomically(path, serialize(saved), mode=0o644)
    return tuple(stage.digest for stage in saved.plan.stages)
