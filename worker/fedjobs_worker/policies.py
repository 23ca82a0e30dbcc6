"""What a silo allows, and the decisions that follow from it.

Pure functions of plain values: what is asked goes in, Allowed or Refused comes out. A refusal names the rule of the
silo's file that said no, and its message is shown to the person who runs the job.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fedjobs_protocol.models import Model
from pydantic import Field

from fedjobs_worker.operations import ALLOWED_OPERATIONS

_NAMED = 8  # refused operations that a message lists


class Operations(Model):
    """Changes to the default list of TensorFlow operations (`fedjobs_worker.operations`)."""

    allow: list[str] = Field(default_factory=list)
    """Allowed here though they are not in the default list."""
    refuse: list[str] = Field(default_factory=list)
    """Refused here though they are in the default list."""


class Policy(Model):
    """Absent means: no restriction by this rule; operations are always checked."""

    requesters: list[str] | None = None
    """Who may ask, as the job's `requestedBy` has it."""
    datasets: list[str] | None = None
    """Which of the silo's datasets may be asked for."""
    operations: Operations = Field(default_factory=Operations)
    min_clients: int = Field(default=1, ge=1)
    """The fewest local clients in an accumulator that leaves the silo."""


@dataclass(frozen=True)
class Allowed:
    """The silo takes part."""


@dataclass(frozen=True)
class Refused:
    """The silo's policy said no.

    Attributes:
        rule: The field of the silo's file that decided, such as `policy.operations`.
        message: What was asked and what is allowed, with a remedy.
    """

    rule: str
    message: str


Decision = Allowed | Refused


def on_invitation(
    policy: Policy, silo: str, offered: Collection[str], requested_by: str | None, datasets: Collection[str]
) -> Decision:
    """Whether to take part in a job at all.

    Args:
        policy: The silo's.
        silo: Its name, for messages.
        offered: Names of the datasets that the silo has.
        requested_by: Who asks; None if the job does not say.
        datasets: All names that the job will ask for.
    """
    if policy.requesters is not None and requested_by not in policy.requesters:
        who = f"'{requested_by}'" if requested_by else "nobody (requestedBy is not set)"
        return Refused(
            "policy.requesters",
            f"The job is requested by {who}; silo {silo} takes part only in jobs of {', '.join(policy.requesters)}.",
        )
    for dataset in datasets:
        decision = on_dataset(policy, silo, offered, dataset)
        if isinstance(decision, Refused):
            return decision
    return Allowed()


def on_dataset(policy: Policy, silo: str, offered: Collection[str], dataset: str) -> Decision:
    """Whether a dataset may be used."""
    permitted = [name for name in offered if policy.datasets is None or name in policy.datasets]
    if dataset in permitted:
        return Allowed()
    rule = "policy.datasets" if dataset in offered else "datasets"
    known = f"it offers {', '.join(permitted)}" if permitted else "it offers none"
    return Refused(rule, f"Silo {silo} does not offer a dataset '{dataset}'; {known}.")


def on_operations(policy: Policy, silo: str, operations: Collection[str]) -> Decision:
    """Whether a computation may run, judged by the TensorFlow operations in its graphs."""
    allowed = (ALLOWED_OPERATIONS | set(policy.operations.allow)) - set(policy.operations.refuse)
    refused = sorted(set(operations) - allowed)
    if not refused:
        return Allowed()
    named = ", ".join(refused[:_NAMED]) + (f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else "")
    return Refused(
        "policy.operations",
        f"The computation uses {named}, which silo {silo} does not allow. "
        "Use other operations, or ask the silo to allow them in policy.operations.allow.",
    )


def on_clients(policy: Policy, silo: str, clients: int) -> Decision:
    """Whether an accumulator over so many local clients may leave the silo. None at all tell nothing."""
    if clients == 0 or clients >= policy.min_clients:
        return Allowed()
    return Refused(
        "policy.minClients",
        f"Silo {silo} has {clients} local clients in this round and sends nothing made of fewer than "
        f"{policy.min_clients}.",
    )
