"""What the agent passes to the workers that it creates. The cluster is a fake."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.errors import StartRefusedError
from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning.planner import Start
from fedjobs_agent.workers.cluster_workers import ClusterWorkers
from fedjobs_agent.workers.collected_audit import Source
from fedjobs_common.errors import ErrorCode
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_worker.consent import limits
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.consent.usages import Usage, day_of
from fedjobs_worker.policy_files import Limits
from fedjobs_worker.silo_files import SiloFile

from tests.agent.builders import SILO, an_invitation

TODAY = "2030-01-01"
CREDENTIALS = Credentials("token", b"ca", HubLink("fedjobs.example.org:443", "fedjobs.example.org"))


class Cluster:
    """Records the objects that are created."""

    namespace = "hospital"

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.used: dict[str, Usage] = {}
        """The usage that each worker gets, by the UID of its job."""
        self.refuses = False

    def jobs(self, selector: str) -> list[dict[str, Any]]:
        return self.made

    def pods(self, selector: str) -> list[dict[str, Any]]:
        return []

    def make_secret_anew(self, manifest: dict[str, Any]) -> None:
        used = base64.b64decode(manifest["data"]["used.json"])
        self.used[manifest["metadata"]["labels"]["fedjobs.dev/job-uid"]] = Usage.model_validate_json(used)

    def delete_secret(self, name: str) -> None:
        pass

    def create_job(self, manifest: dict[str, Any]) -> bool:
        if self.refuses:
            raise StartRefusedError(ErrorCode.UNAVAILABLE, "exceeded quota")
        metadata = {**manifest["metadata"], "uid": str(len(self.made)), "creationTimestamp": "2030-01-01T00:00:00Z"}
        self.made.append({**manifest, "metadata": metadata})
        return True


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def workers_of_an_agent(cluster: Cluster, folder: Path) -> ClusterWorkers:
    config = AgentConfig.model_validate({"silo": SILO, "image": "i", "auditFile": str(folder / "audit.jsonl")})
    return ClusterWorkers(config, cluster, None)  # type: ignore[arg-type]


def sent(workers: ClusterWorkers, folder: Path, uid: str, size: int, pod: str = "pod") -> None:
    """A worker's pod runs work over the digits and sends its result. The agent collects the entries."""
    log = folder / f"{uid}-{pod}.jsonl"
    audit = Audit(log, SILO, uid)
    audit.record("invitation", Allowed())
    audit.record("work", Allowed(), asked="ab" * 32, datasets=["digits"])
    audit.record("result", Allowed(), asked="ab" * 32, result="cd" * 32, bytes=size)
    audit.close()
    for line in log.read_bytes().splitlines():
        workers.audit.take(Source(f"{uid}-{pod}", SILO, uid), line)


def start(workers: ClusterWorkers, uid: str) -> None:
    invitation = an_invitation().invitation.model_copy(update={"job_uid": uid})
    workers.start(Start(Received(f"{uid}.aaaa", invitation, SILO)), SiloFile(silo=SILO), CREDENTIALS)


def test_concurrent_jobs_do_not_exceed_the_silos_jobs_per_day(cluster: Cluster, tmp_path: Path) -> None:
    workers = workers_of_an_agent(cluster, tmp_path)
    for uid in "123":
        start(workers, uid)
    said = [limits.on_job(Limits(jobs_per_day=2), SILO, cluster.used[uid], uid, TODAY) for uid in "123"]
    assert [type(decision) for decision in said] == [Allowed, Allowed, Refused]


def test_a_restarted_agent_counts_workers_that_have_printed_nothing_yet(cluster: Cluster, tmp_path: Path) -> None:
    start(workers_of_an_agent(cluster, tmp_path), "1")
    workers = workers_of_an_agent(cluster, tmp_path)
    workers.observed()
    start(workers, "2")
    assert cluster.used["2"].begun(TODAY) == {"1"}


def test_a_worker_that_could_not_be_created_does_not_count(cluster: Cluster, tmp_path: Path) -> None:
    workers = workers_of_an_agent(cluster, tmp_path)
    cluster.refuses = True
    with pytest.raises(StartRefusedError):
        start(workers, "1")
    cluster.refuses = False
    start(workers, "2")
    assert cluster.used["2"] == Usage()


def test_a_worker_that_replaces_another_knows_what_it_used(cluster: Cluster, tmp_path: Path) -> None:
    """A pod that Kubernetes creates for the same Job gets no certificate. So the agent creates the worker again."""
    workers = workers_of_an_agent(cluster, tmp_path)
    start(workers, "1")
    assert cluster.used["1"] == Usage()
    sent(workers, tmp_path, "1", 70)
    start(workers, "1")
    used = cluster.used["1"].of("1")
    assert (used.runs, sum(used.bytes_up.values())) == ({"digits": 1}, 70)


def test_workers_at_the_same_time_together_send_at_most_the_days_bytes_for_each(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Each worker knows what was collected when it was created, and counts what it sends itself."""
    most = Limits(upload_bytes_per_day=100)
    workers = workers_of_an_agent(cluster, tmp_path)
    for uid in "12":
        start(workers, uid)

    def may_send(uid: str, size: int) -> bool:
        used = cluster.used[uid]
        return isinstance(limits.on_bytes(most, SILO, used, uid, day_of(time.time()), size), Allowed)

    assert [may_send(uid, 100) for uid in "12"] == [True, True]
    assert [may_send(uid, 101) for uid in "12"] == [False, False]
    sent(workers, tmp_path, "1", 70)
    start(workers, "3")
    assert (may_send("3", 30), may_send("3", 31)) == (True, False)
