"""Finds out why a worker does not start in the silo's cluster, and whether to report it.

It is normal that a pod waits a minute or two for its image, a volume or a node. If it waits longer, the agent tells the
coordinator why, so that the user who runs the job sees the reason. The agent still waits for the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from fedjobs_common.errors import FedjobsError

from fedjobs_agent.config import AgentConfig
from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.planning.observations import NOT_STARTED, Worker, WorkerPod
from fedjobs_agent.planning.planner import Gpus, waits_for_gpu
from fedjobs_agent.workers.workers import Workers

NO_POD = "it has no pod"
NOT_ALLOWED = "the cluster rejects its Job"
REFUSED_AGAIN_S = 15.0
_LOG = structlog.get_logger()


def hindrance(worker: Worker, pods: Sequence[WorkerPod], gpus: Gpus) -> str:
    """Returns briefly why a worker does not run. Empty if it runs, has ended, or waits for a GPU.

    Args:
        worker: The worker.
        pods: The worker's pods.
        gpus: The GPU settings of the silo.
    """
    if worker.ending or worker.finished_at is not None or waits_for_gpu(worker, pods, gpus):
        return ""
    standing = [pod for pod in pods if pod.gone_by is None]
    if not pods:
        return NO_POD
    if not standing or any(not pod.unstarted for pod in standing):
        return ""
    return standing[0].unstarted


class Hindrances:
    """Remembers how long each invitation has had no running worker.

    Args:
        config: The agent's configuration.
        workers: The silo's workers, which may know further reasons.
        clock: Returns seconds since any fixed time.
    """

    def __init__(self, config: AgentConfig, workers: Workers, clock: Callable[[], float]) -> None:
        self._patience_s = config.start_deadline_seconds
        self._silo = config.silo
        self._workers = workers
        self._clock = clock
        self._since: dict[str, float] = {}
        self._refused: dict[str, float] = {}

    def refused(self, received: Received) -> None:
        """Notes that the cluster rejected a worker."""
        self._refused[received.id] = self._clock()

    def may_start(self, received: Received) -> bool:
        """Returns whether to try again. The interval is limited because each try uses a token of the hub."""
        last = self._refused.get(received.id)
        return last is None or self._clock() - last >= REFUSED_AGAIN_S

    def look(
        self, received: Sequence[Received], workers: Sequence[Worker], pods: Sequence[WorkerPod], gpus: Gpus
    ) -> dict[str, str]:
        """Returns why workers have not started for a long time, as sentences, by the IDs of their invitations.

        Args:
            received: All current invitations.
            workers: All workers of this silo.
            pods: All pods of the workers.
            gpus: The GPU settings of the silo.
        """
        now = self._clock()
        standing = {each.id for each in received}
        of = {worker.invitation_id: worker for worker in workers if worker.invitation_id in standing}
        self._refused = {id_: at for id_, at in self._refused.items() if id_ in standing - of.keys()}
        whys = {
            id_: hindrance(worker, [pod for pod in pods if pod.job_uid == worker.uid], gpus)
            for id_, worker in of.items()
        }
        whys |= dict.fromkeys(self._refused, NOT_ALLOWED)
        hindered = {id_: why for id_, why in whys.items() if why}
        self._since = {id_: self._since.get(id_, now) for id_ in hindered}
        return {
            id_: self._sentence(why, of.get(id_))
            for id_, why in hindered.items()
            if now - self._since[id_] >= self._patience_s
        }

    @property
    def again_in_s(self) -> float | None:
        """The seconds until the next report or the next try is due, or None."""
        times = [since + self._patience_s for since in self._since.values()]
        times += [at + REFUSED_AGAIN_S for at in self._refused.values()]
        now = self._clock()
        return min((at - now for at in times if at > now), default=None)

    def _sentence(self, why: str, worker: Worker | None) -> str:
        more = self._more(worker) if worker is not None and why in (NO_POD, NOT_STARTED) else ""
        known = f"{why} ({more})" if more else why
        return f"The worker of silo {self._silo} cannot start: {known}. The silo's administrator can see the details."

    def _more(self, worker: Worker) -> str:
        try:
            return self._workers.hindrance(worker)
        except FedjobsError as error:
            _LOG.warning("cannot find out why a worker does not start", worker=worker.name, error=error.public)
            return ""
