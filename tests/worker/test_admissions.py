"""Whether a silo takes part in a job, if several jobs ask at the same time."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import server_name
from fedjobs_worker.consent.admissions import admitted
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger, Usage
from fedjobs_worker.silo_files import SiloFile

NOW = 100.0
SILO = SiloFile.model_validate({"silo": "hospital-a", "policy": {"limits": {"jobsPerDay": 1}}})


class SlowLedger(Ledger):
    """Waits until the other thread has read the usage, too, unless a lock prevents this."""

    together = threading.Barrier(2)

    def usage(self) -> Usage:
        usage = super().usage()
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait(1)
        return usage


def test_the_second_of_two_concurrent_jobs_counts_the_first(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"

    def ask(uid: str) -> Decision:
        invitation = Invitation(
            job_uid=uid, job_name="digits", program="fedavg", datasets=[], address="a:1", server_name=server_name(uid)
        )
        audit = Audit(log, "hospital-a", uid, clock=lambda: NOW)
        return admitted(SILO, invitation, audit, SlowLedger(log, clock=lambda: NOW))

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(ask, ("1", "2")))
    assert {type(decision) for decision in said} == {Allowed, Refused}
