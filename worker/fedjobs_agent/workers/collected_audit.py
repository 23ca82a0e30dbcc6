"""The audit log of a silo on Kubernetes, collected from the logs of its workers.

Each worker's pod has a container that prints the worker's own log and nothing else
(`fedjobs_worker.consent.audit_printer`). The agent reads what it printed, always from the start. Each line must be the
next entry of this worker's chain, about this worker's job and silo. An entry that exists already is skipped. Any other
line, and a missing one, becomes an entry of its own, which counts as nothing else.

An entry has the agent's time. The worker's time is in `workerTime`. After missing entries, the next one's place in the
chain cannot be checked: it and all later entries of this worker are marked with `unverified`. They count as usage, so
that a worker whose entries are lost does not get around a limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from fedjobs_common import untrusted_text
from fedjobs_worker.consent import audit_entries
from fedjobs_worker.consent.audit_chains import NOTHING, AuditChain, entries, hash_of
from fedjobs_worker.consent.audit_entries import End, Entry, Malformed, Subject, Written
from fedjobs_worker.consent.usages import JobUsage, Usage

FILE = Path("/var/lib/fedjobs/audit/audit.jsonl")
"""The path of the log in the agent's container."""
MOST_PROBLEMS = 20
"""The maximum number of entries about wrong lines of one worker."""
_PROBLEMS = frozenset({Subject.GAP, Subject.FOREIGN})
_QUOTED = 300  # characters of a wrong line
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Source:
    """A pod of a worker, which has one log.

    Attributes:
        pod: The uid of the pod.
        silo: The name of the silo.
        job: The uid of the federated job.
    """

    pod: str
    silo: str
    job: str


@dataclass
class _Known:
    """What was collected from one pod.

    Attributes:
        origins: The hash of each collected line, by its sequence number.
        highest: The highest of these numbers.
        problems: What has been said about wrong lines: hashes of lines, and numbers of missing entries.
        unverified: Whether entries were missing.
    """

    origins: dict[int, str] = field(default_factory=dict)
    highest: int = 0
    problems: set[str] = field(default_factory=set)
    unverified: bool = False

    def took(self, sequence: int, origin: str) -> None:
        self.origins[sequence] = origin
        self.highest = max(self.highest, sequence)


class CollectedAudit:
    """The collected log. The agent also records its own decisions in it (`fedjobs_worker.consent.audits.Audit`).

    Args:
        path: The path of the log, on a volume that outlives workers.
        clock: Returns the time in seconds since 1970.
        on_problem: Called with `gap` or `foreign` for each new entry about a wrong line.
    """

    def __init__(
        self,
        path: Path = FILE,
        clock: Callable[[], float] = time.time,
        on_problem: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._path = path
        self._clock = clock
        self.on_problem = on_problem
        self._lock = threading.Lock()
        self._chain = AuditChain(path)
        self._known: dict[str, _Known] = {}
        for entry in entries(path):
            self._recall(entry)

    def take(self, source: Source, line: bytes) -> bool:
        """Appends the entry of a line of a worker's log, and syncs it to disk, unless it was collected before.

        Args:
            source: The pod whose log it is.
            line: The line, without its newline.

        Returns:
            Whether it is the last line of the log.

        Raises:
            FedjobsError: The log cannot be written.
        """
        said = audit_entries.parsed(line, source.silo, source.job)
        with self._lock:
            known = self._known.setdefault(source.pod, _Known())
            if isinstance(said, End):
                if said.entries > known.highest:
                    self._gap(source, known, known.highest + 1, said.entries)
                return True
            if isinstance(said, Malformed):
                self._foreign(source, known, line, said.message)
            else:
                self._take(source, known, said, line)
        return False

    def ended_early(self, source: Source) -> None:
        """Records that the end of a worker's log was not read, once."""
        with self._lock:
            known = self._known.setdefault(source.pod, _Known())
            message = f"The end of the worker's log was not read. Entries after number {known.highest} may be missing."
            self._problem(source, known, Subject.GAP, f"end:{known.highest}", message)

    def forget_others(self, pods: Collection[str]) -> None:
        """Frees the memory for pods that no longer exist. Their entries stay in the log."""
        with self._lock:
            self._known = {pod: known for pod, known in self._known.items() if pod in pods}

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
            if entry.get("subject") not in _PROBLEMS:
                usage.count(entry)
        for uid, made_at in workers.items():
            known = usage.of(uid)
            if uid != job and not known.begun and known.until < made_at:
                usage.jobs.setdefault(uid, JobUsage()).undecided = True
        return usage.about(job, day).model_dump_json(by_alias=True, exclude_defaults=True)

    def close(self) -> None:
        """Closes the file."""
        self._chain.close()

    def _recall(self, entry: Entry) -> None:
        """Reads what an earlier agent collected."""
        pod, origin, sequence = entry.get("worker"), entry.get("origin"), entry.get("workerSequence")
        if not isinstance(pod, str) or not isinstance(origin, str):
            return
        known = self._known.setdefault(pod, _Known())
        known.unverified |= entry.get("unverified") is True
        if entry.get("subject") in _PROBLEMS:
            known.problems.add(origin)
        elif isinstance(sequence, int):
            known.took(sequence, origin)

    def _take(self, source: Source, known: _Known, said: Written, line: bytes) -> None:
        origin = hash_of(line)
        before = known.origins.get(said.sequence)
        if before == origin:
            return  # the log is read again from its start
        if before is not None:
            self._foreign(source, known, line, f"the worker has another entry with number {said.sequence}")
        elif said.sequence <= known.highest:
            self._foreign(source, known, line, f"entry {said.sequence} comes after entry {known.highest}")
        else:
            expected = known.origins.get(said.sequence - 1, NOTHING if said.sequence == 1 else None)
            if expected is not None and said.previous != expected:
                self._foreign(source, known, line, "it does not have the hash of the worker's previous entry")
                return
            if said.sequence > known.highest + 1:
                self._gap(source, known, known.highest + 1, said.sequence - 1)
                known.unverified = True
            about: Entry = {"worker": source.pod, "workerSequence": said.sequence, "workerTime": said.time}
            flag = {"unverified": True} if known.unverified else {}
            self._append(said.entry | about | {"origin": origin} | flag)
            known.took(said.sequence, origin)

    def _gap(self, source: Source, known: _Known, first: int, last: int) -> None:
        message = f"Entries {first} to {last} of the worker's log are missing."
        self._problem(source, known, Subject.GAP, f"gap:{first}:{last}", message)

    def _foreign(self, source: Source, known: _Known, line: bytes, message: str) -> None:
        text = untrusted_text.printable(line[: 4 * _QUOTED].decode(errors="replace"), _QUOTED)
        message = f"A line of the worker's log is not its next entry: {message}."
        self._problem(source, known, Subject.FOREIGN, hash_of(line), message, text=text, size=len(line))

    def _problem(self, source: Source, known: _Known, subject: Subject, key: str, message: str, **details: Any) -> None:
        if key in known.problems or len(known.problems) > MOST_PROBLEMS:
            return
        if len(known.problems) == MOST_PROBLEMS:
            message, details = "The worker's log has more wrong lines. They are not recorded.", {}
        _LOG.error("a worker's audit log has a problem", worker=source.pod, job=source.job, problem=message)
        about = {"silo": source.silo, "job": source.job, "subject": subject.value, "decision": "noted"}
        self._append(about | {"message": message, "worker": source.pod, "origin": key} | details)
        known.problems.add(key)
        self.on_problem(subject.value)

    def _append(self, entry: Entry) -> None:
        self._chain.append({"time": round(self._clock(), 3)} | entry)
