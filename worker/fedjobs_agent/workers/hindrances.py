"""What keeps a worker from starting in the silo's cluster, and whether it has lasted long enough to be told.

A pod that waits for its image, a volume or a node is nothing to speak of for a minute or two. What lasts longer is told
to the coordinator, so that who runs the job need not guess; the worker is still waited for.
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

NO_POD = "no pod is made for it"
NOT_ALLOWED = "the cluster refuses to make it"
REFUSED_AGAIN_S = 15.0
_LOG = structlog.get_logger()


def hindrance(worker: Worker, pods: Sequence[WorkerPod], gpus: Gpus) -> str:
    """Why a worker does not run, in a few words; empty: it does, or has ended, or waits for a GPU.

    Args:
        worker: Which.
        pods: Its own.
        gpus: What the silo says about GPUs.
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
    """Remembers since when each invitation has been without a worker that runs.

    Args:
        config: The agent's.
        workers: May know more than their objects say.
        clock: Seconds, of any beginning.
    """

    def __init__(self, config: AgentConfig, workers: Workers, clock: Callable[[], float]) -> None:
        self._patience_s = config.start_patience_seconds
        self._silo = config.silo
        self._workers = workers
        self._clock = clock
        self._since: dict[str, float] = {}
        self._refused: dict[str, float] = {}

    def refused(self, received: Received) -> None:
        """A worker may not be made."""
        self._refused[received.id] = self._clock()

    def may_start(self, received: Received) -> bool:
        """Whether it is worth trying: each try costs the hub a token."""
        last = self._refused.get(received.id)
        return last is None or self._clock() - last >= REFUSED_AGAIN_S

    def look(
        self, received: Sequence[Received], workers: Sequence[Worker], pods: Sequence[WorkerPod], gpus: Gpus
    ) -> dict[str, str]:
        """What has kept workers from starting for long, as sentences, by the ids of their invitations.

        Args:
            received: All that stand.
            workers: All of this silo.
            pods: All of theirs.
            gpus: What the silo says about GPUs.
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
        """In how many seconds the next one will have lasted for long, or is worth a try; None: there is none."""
        times = [since + self._patience_s for since in self._since.values()]
        times += [at + REFUSED_AGAIN_S for at in self._refused.values()]
        now = self._clock()
        return min((at - now for at in times if at > now), default=None)

    def _sentence(self, why: str, worker: Worker | None) -> str:
        more = self._more(worker) if worker is not None and why in (NO_POD, NOT_STARTED) else ""
        known = f"{why} ({more})" if more else why
        return f"In silo {self._silo} the worker cannot start: {known}. Its people can see more there."

    def _more(self, worker: Worker) -> str:
        try:
            return self._workers.hindrance(worker)
        except FedjobsError as error:
            _LOG.warning("it is not known why a worker does not start", worker=worker.name, error=error.public)
            return ""
