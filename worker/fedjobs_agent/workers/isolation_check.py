"""Finds out whether a machine without Kubernetes can isolate runners from the silo's files and processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Set

import structlog
from fedjobs_worker.runner.sandbox.facts import Fact, isolated, no_isolation

_LONGEST_S = 120
_LOG = structlog.get_logger()


def found() -> frozenset[Fact]:
    """Returns what holds for a runner host on this machine. Another process finds it out by entering the sandbox."""
    command = [sys.executable, "-P", "-m", "fedjobs_worker.runner.sandbox"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=True, stdin=subprocess.DEVNULL)
        return frozenset(Fact(fact) for fact in json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _LOG.error("cannot find out whether runners are isolated", error=str(error))
        return frozenset()


def check(*, trusts_job_owners: bool, find: Callable[[], Set[Fact]] = found) -> None:
    """Logs whether runners are isolated, with a warning if they are not.

    Args:
        trusts_job_owners: Whether the silo runs without isolation.
        find: Finds the facts.

    Raises:
        FedjobsError: UNAVAILABLE. Runners are not isolated, and the silo does not trust job owners.
    """
    facts = find()
    if isolated(facts):
        _LOG.info("runners are isolated", facts=sorted(facts))
        return
    if not trusts_job_owners:
        raise no_isolation(facts)
    _LOG.warning(
        "runners are NOT isolated: a hostile graph can read and change the files of this user. "
        "Take part only in jobs of owners whom you trust like a user of this machine",
        facts=sorted(facts),
    )
