"""Pure functions that evaluate a silo's policy.

Each function takes a request and returns Allowed or Refused. A refusal has the rule of the silo file that was violated,
and a message for the user who runs the job.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fedjobs_common.ids import Digest
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_verifier import ALLOWED_OPERATIONS

from fedjobs_worker.policy_files import ListedComputation, Policy

_NAMED = 8  # maximum number of refused operations in a message


@dataclass(frozen=True)
class Allowed:
    """The silo's policy allows the request."""


@dataclass(frozen=True)
class Refused:
    """The silo's policy refuses the request.

    Attributes:
        rule: The field of the silo file that decided, such as `policy.computations.operations`.
        message: What was requested and what is allowed, with a remedy.
    """

    rule: str
    message: str


Decision = Allowed | Refused


def on_invitation(policy: Policy, silo: str, offered: Collection[str], invitation: Invitation) -> Decision:
    """Decides whether to take part in a job, from its invitation.

    Args:
        policy: The silo's policy.
        silo: The silo's name, for messages.
        offered: The names of the silo's datasets.
        invitation: The requester, the namespace, the datasets, and what the coordinator asserts about the job.
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
        f"The job is requested by {who}, but silo {silo} only takes part in jobs of {', '.join(policy.requesters)}.",
    )


def _on_namespace(policy: Policy, silo: str, namespace: str) -> Decision:
    if policy.namespaces is None or namespace in policy.namespaces:
        return Allowed()
    where = f"namespace '{namespace}'" if namespace else "no namespace"
    return Refused(
        "policy.namespaces",
        f"The job is in {where}, but silo {silo} only takes part in jobs of {', '.join(policy.namespaces)}.",
    )


def _on_rounds(policy: Policy, silo: str, rounds: int | None) -> Decision:
    most = policy.limits.rounds_per_job
    if most is None or rounds is None or rounds <= most:
        return Allowed()
    return Refused(
        "policy.limits.roundsPerJob", f"The job has {rounds} rounds, but silo {silo} allows at most {most} for one job."
    )


def _on_cohort(policy: Policy, silo: str, least: int) -> Decision:
    if least >= policy.min_cohort_size:
        return Allowed()
    return Refused(
        "policy.minCohortSize",
        f"A round of this job may have {least} silos, but silo {silo} requires at least {policy.min_cohort_size}. "
        "Raise spec.cohort.minSilos.",
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
            return Refused(rule, f"Silo {silo} only takes part in jobs with {what}, which this job does not have.")
    return Allowed()


def on_dataset(policy: Policy, silo: str, offered: Collection[str], dataset: str) -> Decision:
    """Decides whether a dataset may be used."""
    permitted = [name for name in offered if policy.datasets is None or name in policy.datasets]
    if dataset in permitted:
        return Allowed()
    rule = "policy.datasets" if dataset in offered else "datasets"
    known = f" It offers: {', '.join(permitted) or 'none'}." if policy.share_dataset_names else ""
    return Refused(rule, f"Silo {silo} does not offer the dataset '{dataset}'.{known}")


def on_operations(policy: Policy, silo: str, operations: Collection[str]) -> Decision:
    """Decides whether a computation may run, from the TensorFlow operations in its graphs."""
    changes = policy.computations.operations
    refused = sorted(set(operations) - ((ALLOWED_OPERATIONS | set(changes.allow)) - set(changes.deny)))
    if not refused:
        return Allowed()
    named = ", ".join(refused[:_NAMED]) + (f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else "")
    return Refused(
        "policy.computations.operations",
        f"The computation uses {named}, which silo {silo} does not allow. "
        "Use other operations, or ask the silo to allow them in policy.computations.operations.allow.",
    )


def on_digest(policy: Policy, silo: str, digest: Digest, datasets: Collection[str]) -> Decision:
    """Decides whether a computation with this digest may read these datasets without approval."""
    if policy.computations.digests is None or is_listed(policy, digest, datasets):
        return Allowed()
    listed = any(_digest(entry) == digest for entry in policy.computations.digests)
    return Refused(
        "policy.computations.digests",
        f"Silo {silo} does not list {', '.join(sorted(datasets))} as a dataset of the computation {digest}. "
        "Ask the silo's administrator to add it to the datasets of this digest in policy.computations.digests."
        if listed
        else f"Silo {silo} only runs the computations that its policy lists, and {digest} is not in the list. "
        "Ask the silo's administrator to review it and to add it to policy.computations.digests.",
    )


def is_listed(policy: Policy, digest: Digest, datasets: Collection[str]) -> bool:
    """Returns whether `policy.computations.digests` lists a computation with all the datasets that it reads."""
    return any(
        _digest(entry) == digest
        and (isinstance(entry, str) or entry.datasets is None or set(datasets) <= set(entry.datasets))
        for entry in policy.computations.digests or ()
    )


def _digest(entry: str | ListedComputation) -> str:
    return entry if isinstance(entry, str) else entry.digest


def on_invited_datasets(invitation: Invitation, silo: str, datasets: Collection[str]) -> Decision:
    """Decides whether a computation may read these datasets, which the invitation must name.

    The silo decided to take part because of the invitation. The coordinator cannot add a dataset later.
    """
    others = sorted(set(datasets) - set(invitation.datasets))
    if not others:
        return Allowed()
    return Refused(
        "invitation.datasets",
        f"The computation reads {', '.join(repr(name) for name in others)}, but the invitation of silo {silo} to this "
        f"job names only {', '.join(repr(name) for name in invitation.datasets) or 'no dataset'}. "
        "Name all datasets in the job file.",
    )


def on_clients(policy: Policy, silo: str, clients: int) -> Decision:
    """Decides whether an accumulator over this number of local clients may leave the silo.

    An accumulator over no clients reveals nothing, so it is always allowed.
    """
    if clients == 0 or clients >= policy.min_clients:
        return Allowed()
    return Refused(
        "policy.minClients",
        f"Silo {silo} has {clients} local clients in this round, and its policy requires at least "
        f"{policy.min_clients} in an accumulator.",
    )
