"""The one audit log of a silo on Kubernetes, collected from what its workers print.

A worker prints each entry of its own log (`--tell-audit`). The agent hands the logs of the workers' session containers
over, as often as it likes and from the beginning each time: nothing is taken twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fedjobs_worker.consent.audit_chains import AuditChain, entries, hash_of
from fedjobs_worker.consent.usages import JobUsage, Usage

FILE = Path("/var/lib/fedjobs/audit/audit.jsonl")
"""Where it is in the agent's container."""
_MARK = b'"audit": true'
_ORIGIN = "origin"
"""The hash of the line in the worker's own log."""


class CollectedAudit:
    """The log, in which the agent also records its own decisions (`fedjobs_worker.consent.audits.Audit`).

    Args:
        path: Of the log, on a volume that outlives workers.
    """

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._chain = AuditChain(path)
        self._origins = {entry.get(_ORIGIN) for entry in entries(path)}

    def take(self, lines: Iterable[bytes]) -> int:
        """Appends the entries among the lines of a worker's log that are not there yet; they are on the disk then.

        Returns:
            How many.

        Raises:
            FedjobsError: DISK_FULL.
        """
        taken = 0
        for line in lines:
            entry = _entry(line)
            origin = hash_of(json.dumps(entry).encode()) if entry is not None else None
            if entry is None or origin in self._origins:
                continue
            entry.pop("previous")
            self._chain.append(entry | {_ORIGIN: origin})
            self._origins.add(origin)
            taken += 1
        return taken

    def used(self, job: str, day: str, workers: Mapping[str, float]) -> str:
        """What a worker has to know of what jobs have taken before, as JSON for its option `--used`.

        Args:
            job: The uid of its job.
            day: Today (UTC), ISO 8601.
            workers: When the worker of each job was made that has one (seconds since 1970). One that has not said
                anything since then may begin any moment.
        """
        usage = Usage()
        for entry in entries(self._path):
            usage.count(entry)
        for uid, made_at in workers.items():
            known = usage.of(uid)
            if uid != job and not known.begun and known.until < made_at:
                usage.jobs.setdefault(uid, JobUsage()).undecided = True
        return usage.about(job, day).model_dump_json(by_alias=True, exclude_defaults=True)

    def close(self) -> None:
        """Closes the file."""
        self._chain.close()


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a worker printed of its audit log; None where a line is something else, or was cut."""
    if _MARK not in line:
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.pop("audit", None) is not True or "previous" not in entry:
        return None
    return entry
