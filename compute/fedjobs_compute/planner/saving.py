"""Plans a TFF computation for a plan file."""

from __future__ import annotations

from dataclasses import replace

import tensorflow_federated as tff

from fedjobs_compute.plan_files import Leaves, SavedPlan
from fedjobs_compute.planner.leaves import leaves_of
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.planner.programs import unplaced_member
from fedjobs_compute.plans import Parameter, Plan


def saved_plan(computation: tff.Computation, label: str) -> SavedPlan:
    """Plans a computation for runs without TensorFlow Federated.

    Args:
        computation: The computation.
        label: The name of the computation, for people.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION. The message names what cannot be planned, and why.
    """
    planned = plan(computation)
    parameters: tuple[Parameter[Leaves], ...] = tuple(
        Parameter(_flat(p.type), p.at_clients, p.leaves, p.path) for p in planned.parameters
    )
    flat: Plan[Leaves] = replace(planned, parameters=parameters, result_type=_flat(planned.result_type))
    return SavedPlan(label, flat)


def _flat(type_: tff.Type) -> Leaves:
    return tuple(leaves_of(unplaced_member(type_)))
