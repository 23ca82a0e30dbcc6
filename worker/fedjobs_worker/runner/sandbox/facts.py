"""What holds for a runner host: a closed set of facts, which the host finds out by doing it."""

from __future__ import annotations

import enum
from collections.abc import Set

from fedjobs_common.errors import ErrorCode, FedjobsError


class Fact(enum.StrEnum):
    """A mechanism that confines a runner host and its runners."""

    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


def isolated(facts: Set[Fact]) -> bool:
    """Returns whether a runner reaches no file, process or network outside. seccomp alone does not hide files."""
    return Fact.SECCOMP in facts and bool({Fact.NAMESPACES, Fact.LANDLOCK} & facts)


def no_isolation(facts: Set[Fact]) -> FedjobsError:
    """Returns the error for a machine that cannot isolate runners."""
    found = ", ".join(sorted(facts)) or "none"
    return FedjobsError(
        ErrorCode.UNAVAILABLE,
        "This machine cannot isolate the graphs of job owners from the silo's files and processes. It needs seccomp, "
        f"and user namespaces or Landlock (Linux 6.2 or later). It has: {found}.",
        "Allow user namespaces, use a later kernel, or use Kubernetes. If you trust each owner of a job like a user of "
        "this machine, add --trust-job-owners.",
    )
