"""Workers as Jobs in the agent's namespace, each with a Secret that only its session container mounts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.consent.usages import day_of
from fedjobs_worker.runner.sampling_secrets import sampling_secret
from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.cluster_api import Cluster
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.errors import StartRefusedError
from fedjobs_agent.identity.identity_stores import secret_of
from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning import names
from fedjobs_agent.planning.observations import Worker, WorkerPod, made_of, pod_of, worker_of
from fedjobs_agent.planning.planner import Start
from fedjobs_agent.workers import worker_jobs
from fedjobs_agent.workers.audit_follower import AuditFollowing
from fedjobs_agent.workers.collected_audit import CollectedAudit

UNREADABLE_S = 300.0
"""How long to retry reading a log, for example if its node is gone."""
_LOG = structlog.get_logger()


class ClusterWorkers:
    """The workers of a silo on Kubernetes.

    Args:
        config: The agent's configuration.
        cluster: The silo's cluster.
        owner: An owner reference to the agent's Deployment, so that workers are deleted with it. None: no owner.
        clock: Returns seconds since any fixed time.
    """

    def __init__(
        self,
        config: AgentConfig,
        cluster: Cluster,
        owner: dict[str, Any] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._owner = owner
        self._selector = names.workers_of(config.silo)
        self.audit = CollectedAudit(config.audit_file)
        self._following = AuditFollowing(cluster, self.audit, config.silo)
        self._pods: Sequence[dict[str, Any]] = ()
        self._clock = clock
        self._unsettled: dict[str, float] = {}
        self._made: dict[str, float] = {}
        """The creation time of each job's worker, in seconds since 1970."""

    def observed(self) -> tuple[Sequence[Worker], Sequence[WorkerPod]]:
        jobs = self._cluster.jobs(self._selector)
        workers = [worker_of(job) for job in jobs]
        self._made = dict(map(made_of, jobs))
        self._pods = self._cluster.pods(self._selector)
        self._following.follow(self._pods)
        return workers, [pod_of(pod) for pod in self._pods]

    def start(self, start: Start, silo: SiloFile, credentials: Credentials) -> bool:
        job = worker_jobs.worker_job(start, self._config, silo, credentials.hub, self._cluster.namespace, self._owner)
        name, labels = job["metadata"]["name"], job["metadata"]["labels"]
        uid, now = start.received.invitation.job_uid, time.time()
        files = {
            "invitation.json": start.received.invitation.model_dump_json(by_alias=True).encode(),
            "token": credentials.token.encode(),
            "ca.crt": credentials.trust,
            # It survives the worker's pod, so that a new pod selects the same clients.
            "sampling-secret": sampling_secret(self._config.audit_file.parent),
            "used.json": self.audit.used(uid, day_of(now), self._made).encode(),
        }
        # Create the Secret first, because a pod that waits for a Secret starts much later.
        self._cluster.make_secret_anew(secret_of(name, files, labels=labels, owner=self._owner))
        self._made.setdefault(uid, now)  # workers that start in the same reconciliation must count it
        try:
            return self._cluster.create_job(job)
        except StartRefusedError:
            self._made.pop(uid)
            self._cluster.delete_secret(name)
            raise

    def end(self, worker: Worker, *, at_once: bool) -> None:
        if not at_once:
            self._settle(worker)
        self._cluster.delete_job(worker.name, worker.uid, at_once=at_once)
        self._cluster.delete_secret(worker.name)

    def _settle(self, worker: Worker) -> None:
        """Waits until a worker's audit entries are collected, because its log is deleted with it.

        Gives up after 300 s if the log cannot be read. If the silo's log cannot be written, it never gives up.
        """
        if self._following.settled(worker.uid, self._pods):
            self._unsettled.pop(worker.uid, None)
            return
        since = self._unsettled.setdefault(worker.uid, self._clock())
        if self._clock() - since < UNREADABLE_S:
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"Worker {worker.name} is not deleted yet, because its log cannot be read. The silo's audit log needs "
                "its entries.",
            )
        self._following.give_up(worker.uid, self._pods)
        del self._unsettled[worker.uid]
        _LOG.error("cannot read the log of a worker; its last audit entries may be missing", worker=worker.name)

    def hindrance(self, worker: Worker) -> str:
        pods = [pod["metadata"]["uid"] for pod in self._pods if pod_of(pod).job_uid == worker.uid]
        return self._cluster.complaint([worker.uid, *pods])

    def watch(self, changed: Callable[[], object], stopping: threading.Event) -> None:
        self._cluster.watch({"jobs": self._selector, "pods": self._selector}, changed, stopping)

    def close(self) -> None:
        """Closes the audit log. The Jobs continue."""
        self.audit.close()
