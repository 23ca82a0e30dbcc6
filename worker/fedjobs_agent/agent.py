"""The agent: looks at what stands, plans, does it; again whenever something changes.

Killed at any moment, it loses nothing but time: what it knows is in the cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from fedjobs_protocol.errors import FedjobsError
from fedjobs_worker import policies, silo_files
from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent import names, worker_jobs
from fedjobs_agent.cluster import Cluster
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.declines import Declines
from fedjobs_agent.invitations import Invitations, Received
from fedjobs_agent.metrics import AgentMetrics
from fedjobs_agent.observations import Worker, pod_of, worker_of
from fedjobs_agent.planning import Action, Decline, End, GiveUpGpu, Gpus, Judged, Start, plan

RESYNC_S = 60.0
_AFTER_ERROR_S = 5.0
_TOGETHER_S = 0.2  # what changes within it is looked at once
_STUCK_S = 600.0
_LOG = structlog.get_logger()


class Agent:
    """One silo's agent.

    Args:
        config: Its file.
        cluster: Where workers run.
        invitations: Where invitations come from.
        metrics: Counts.
        deployment: Its own Deployment, which owns the workers; None: each invitation owns its own.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        config: AgentConfig,
        cluster: Cluster,
        invitations: Invitations,
        metrics: AgentMetrics,
        deployment: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._invitations = invitations
        self._metrics = metrics
        self._deployment = deployment
        self._clock = clock
        self._silo = silo_file(config)
        self._declines = Declines(config.dial_address, time.monotonic)
        self._given_up: dict[str, str] = {}
        self._looked_at = time.monotonic()

    def healthy(self) -> bool:
        """Whether it gets around to looking at all, well or not."""
        return time.monotonic() - self._looked_at < _STUCK_S

    def run(self, stopping: threading.Event) -> None:
        """Looks and acts until `stopping` is set."""
        changed = threading.Event()
        workers, invited = names.workers_of(self._config.silo), names.invitations_of(self._config.silo)
        self._cluster.watch({"secrets": invited, "jobs": workers, "pods": workers}, changed.set, stopping)
        while not stopping.is_set():
            changed.clear()
            wait = self._look()
            _first_of(changed, stopping, wait)
            stopping.wait(_TOGETHER_S)
        self._declines.close()

    def reconcile(self) -> float:
        """Looks and acts once; seconds until it is worth another look though nothing changes.

        Raises:
            FedjobsError: The cluster cannot be asked.
        """
        silo = self._current_silo_file()
        received = self._invitations.current()
        selector = names.workers_of(self._config.silo)
        workers = [worker_of(job) for job in self._cluster.jobs(selector)]
        pods = [pod_of(pod) for pod in self._cluster.pods(selector)]
        standing = {each.id for each in received}
        self._given_up = {key: why for key, why in self._given_up.items() if key in standing}
        self._declines.forget_others(standing)
        gpus = Gpus(silo.runner.gpu is not None, self._config.gpu_patience_seconds, self._given_up)
        planned = plan([_judged(each, silo) for each in received], workers, pods, gpus, self._clock())
        for action in planned.actions:
            self._do(action, silo)
        self._count(len(received), workers)
        return RESYNC_S if planned.again_in_s is None else min(RESYNC_S, planned.again_in_s)

    def _look(self) -> float:
        self._looked_at = time.monotonic()
        try:
            return self.reconcile()
        except FedjobsError as error:
            _LOG.error("could not look or act; trying again", code=error.code.label, error=error.public)
        except Exception:
            _LOG.exception("failed unexpectedly; trying again")
        self._metrics.failed()
        return _AFTER_ERROR_S

    def _do(self, action: Action, silo: SiloFile) -> None:
        if isinstance(action, Start):
            owner = (
                worker_jobs.owned_by_deployment(self._deployment)
                if self._deployment is not None
                else worker_jobs.owned_by_secret(action)
            )
            manifest = worker_jobs.worker_job(action, self._config, silo, self._cluster.namespace, owner)
            if not self._cluster.create_job(manifest):
                _LOG.warning("a Job of this name is there already", name=manifest["metadata"]["name"])
                return
            self._did("start", action.received.invitation.job_name, gpu=action.gpu, note=action.device_note)
        elif isinstance(action, End):
            self._cluster.delete_job(action.worker.name, action.worker.uid, at_once=action.at_once)
            self._did("end", action.worker.name, reason=action.reason)
        elif isinstance(action, GiveUpGpu):
            self._given_up[action.received.id] = action.message
            self._cluster.delete_job(action.worker.name, action.worker.uid, at_once=False)
            self._did("give-up-gpu", action.received.invitation.job_name, reason=action.message)
        elif isinstance(action, Decline) and self._declines.tell(action):
            self._did("decline", action.received.invitation.job_name, rule=action.rule, reason=action.message)

    def _did(self, action: str, job: str, **details: object) -> None:
        self._metrics.did(action)
        _LOG.info(action, job=job, **details)

    def _count(self, invitations: int, workers: list[Worker]) -> None:
        ending = sum(worker.ending for worker in workers)
        finished = sum(worker.finished_at is not None and not worker.ending for worker in workers)
        self._metrics.looked(invitations, len(workers) - ending - finished, finished, ending)

    def _current_silo_file(self) -> SiloFile:
        """As it is now; while somebody edits it and it is not valid, as it was."""
        try:
            self._silo = silo_file(self._config)
        except FedjobsError as error:
            _LOG.error("the silo's file is not valid any more; going on with what it was", error=error.public)
        return self._silo


def silo_file(config: AgentConfig) -> SiloFile:
    """The silo's own file.

    Raises:
        FedjobsError: INVALID_SILO_FILE; also where it is another silo's.
    """
    return silo_files.load_named(config.silo_file, config.silo)


def _judged(received: Received, silo: SiloFile) -> Judged:
    invitation = received.invitation
    decision = policies.on_invitation(
        silo.policy, silo.silo, silo.datasets, invitation.requested_by, invitation.datasets
    )
    return Judged(received, decision)


def _first_of(changed: threading.Event, stopping: threading.Event, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not stopping.is_set() and (left := end - time.monotonic()) > 0 and not changed.wait(min(left, 1.0)):
        pass
