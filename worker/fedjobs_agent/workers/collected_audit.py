"""The audit log of a silo on Kubernetes, collected from the output of its workers.

A worker prints each entry of its own log (`--tell-audit`). The agent passes on the logs of the session containers,
always from the start. Entries that exist already are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fedjobs_worker.consent.audit_chains import AuditChain, entries, hash_of
from fedjobs_worker.consent.usages import JobUsage, Usage

FILE = Path("/var/lib/fedjobs/audit/audit.jsonl")
"""The path of the log in the agent's container."""
_MARK = b'"audit": true'
_ORIGIN = "origin"
"""The key for the hash of the line in the worker's log."""


class CollectedAudit:
    """The collected log. The agent also records its own decisions in it (`fedjobs_worker.consent.audits.Audit`).

    Args:
        path: The path of the log, on a volume that outlives workers.
    """

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._chain = AuditChain(path)
        self._origins = {entry.get(_ORIGIN) for entry in entries(path)}

    def take(self, lines: Iterable[bytes]) -> int:
        """Appends the new audit entries in the lines of a worker's log, and syncs them to disk.

        Returns:
            The number of new entries.

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
        """Returns the usage that a worker needs to know, as JSON for its option `--used`.

        Args:
            job: The uid of the worker's job.
            day: Today (UTC) in ISO 8601.
            workers: The creation time of each job's worker, in seconds since 1970. A worker without an entry since then
                counts as undecided.
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
    """Parses an audit entry that a worker printed. Returns None if the line is something else or incomplete."""
    if _MARK not in line:
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.pop("audit", None) is not True or "previous" not in entry:
        return None
    return entry
