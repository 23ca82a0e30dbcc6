"""What a silo allows, and the decisions that follow from it.

Pure functions of plain values: what is asked goes in, Allowed or Refused comes out. A refusal names the rule of the
silo's file that said no, and its message is shown to the person who runs the job.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fedjobs_common.ids import Digest
from fedjobs_protocol.hub.invitations import Invitation

from fedjobs_worker.consent.operations import ALLOWED_OPERATIONS
from fedjobs_worker.policy_files import Policy

_NAMED = 8  # refused operations that a message lists


@dataclass(frozen=True)
class Allowed:
    """The silo takes part."""


@dataclass(frozen=True)
class Refused:
    """The silo's policy said no.

    Attributes:
        rule: The field of the silo's file that decided, such as `policy.computations.operations`.
        message: What was asked and what is allowed, with a remedy.
    """

    rule: str
    message: str


Decision = Allowed | Refused


def on_invitation(policy: Policy, silo: str, offered: Collection[str], invitation: Invitation) -> Decision:
    """Whether to take part in a job at all, by what its invitation says.

    Args:
        policy: The silo's.
        silo: Its name, for messages.
        offered: Names of the datasets that the silo has.
        invitation: Who asks, from where, for which data, and what the coordinator says of itself.
    """
    decisions = (
        _on_requester(policy, silo, invitation.requested_by),
        _on_namespace(policy, silo, invitation.namespace),
        *(on_dataset(policy, silo, offered, dataset) for dataset in invitation.datasets),
        _on_rounds(policy, silo, invitation.rounds),
        _on_cohort(policy, silo, invitation.min_silos),
        _on_assertions(policy, silo, invitation),
    )
    return next((decision for decision in decisions if isinstance(decision, Refused)), Allowed())


def _on_requester(policy: Policy, silo: str, requested_by: str | None) -> Decision:
    if policy.requesters is None or requested_by in policy.requesters:
        return Allowed()
    who = f"'{requested_by}'" if requested_by else "nobody (requestedBy is not set)"
    return Refused(
        "policy.requesters",
        f"The job is requested by {who}; silo {silo} takes part only in jobs of {', '.join(policy.requesters)}.",
    )


def _on_namespace(policy: Policy, silo: str, namespace: str) -> Decision:
    if policy.namespaces is None or namespace in policy.namespaces:
        return Allowed()
    where = f"namespace '{namespace}'" if namespace else "no namespace"
    return Refused(
        "policy.namespaces",
        f"The job is of {where}; silo {silo} takes part only in jobs of {', '.join(policy.namespaces)}.",
    )


def _on_rounds(policy: Policy, silo: str, rounds: int | None) -> Decision:
    most = policy.limits.rounds
    if most is None or rounds is None or rounds <= most:
        return Allowed()
    return Refused("policy.limits.rounds", f"The job has {rounds} rounds; silo {silo} does {most} at most for one job.")


def _on_cohort(policy: Policy, silo: str, least: int) -> Decision:
    if least >= policy.min_cohort:
        return Allowed()
    return Refused(
        "policy.minCohort",
        f"A round of this job may have {least} silos; silo {silo} takes part where there are at least "
        f"{policy.min_cohort}. Raise spec.cohort.minSilos.",
    )


def _on_assertions(policy: Policy, silo: str, invitation: Invitation) -> Decision:
    for rule, required, given, what in (
        (
            "policy.requireDifferentialPrivacy",
            policy.require_differential_privacy,
            invitation.differential_privacy,
            "differential privacy",
        ),
        (
            "policy.requireSecureAggregation",
            policy.require_secure_aggregation,
            invitation.secure_aggregation,
            "secure aggregation",
        ),
    ):
        if required and not given:
            return Refused(rule, f"Silo {silo} takes part only in jobs with {what}, and this one is without.")
    return Allowed()


def on_dataset(policy: Policy, silo: str, offered: Collection[str], dataset: str) -> Decision:
    """Whether a dataset may be used."""
    permitted = [name for name in offered if policy.datasets is None or name in policy.datasets]
    if dataset in permitted:
        return Allowed()
    rule = "policy.datasets" if dataset in offered else "datasets"
    known = f"; it offers {', '.join(permitted) or 'none'}" if policy.tell_datasets else ""
    return Refused(rule, f"Silo {silo} does not offer a dataset '{dataset}'{known}.")


def on_operations(policy: Policy, silo: str, operations: Collection[str]) -> Decision:
    """Whether a computation may run, judged by the TensorFlow operations in its graphs."""
    changes = policy.computations.operations
    refused = sorted(set(operations) - ((ALLOWED_OPERATIONS | set(changes.allow)) - set(changes.refuse)))
    if not refused:
        return Allowed()
    named = ", ".join(refused[:_NAMED]) + (f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else "")
    return Refused(
        "policy.computations.operations",
        f"The computation uses {named}, which silo {silo} does not allow. "
        "Use other operations, or ask the silo to allow them in policy.computations.operations.allow.",
    )


def on_digest(policy: Policy, silo: str, digest: Digest) -> Decision:
    """Whether a computation of this digest may run without a person's approval."""
    computations = policy.computations
    if computations.digests is None or digest in computations.digests:
        return Allowed()
    return Refused(
        "policy.computations.digests",
        f"Silo {silo} runs only computations whose digests it names, and {digest} is not among them. "
        "Ask the silo to look at it, and to name it in policy.computations.digests.",
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
