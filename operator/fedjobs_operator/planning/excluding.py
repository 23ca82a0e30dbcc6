"""Which silos of a job the federation has suspended or dropped since it began."""

from __future__ import annotations

from collections.abc import Iterable

from fedjobs_common.errors import ErrorCode
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_operator.planning.observations import KnownSilo


def exclusions(resolved: ResolvedJob, silos: Iterable[KnownSilo]) -> tuple[Exclusion, ...]:
    """All of them, in the order of their names.

    Args:
        resolved: Who was invited.
        silos: All Silo objects.
    """
    suspended = {silo.name: silo.suspended for silo in silos}
    return tuple(_exclusion(name, name in suspended) for name in resolved.silos if suspended.get(name, True))


def _exclusion(silo: str, is_there: bool) -> Exclusion:
    if is_there:
        return Exclusion(silo, ErrorCode.SILO_SUSPENDED, f"The federation has suspended the silo {silo}.")
    return Exclusion(silo, ErrorCode.SILO_UNKNOWN, f"The silo {silo} is no longer part of the federation.")
