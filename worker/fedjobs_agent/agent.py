"""The agent's control loop: observes the current state, plans actions and runs them, whenever something changes.

The agent can be killed at any time, because all its state is in the cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_worker.consent import policies
from fedjobs_worker.silo_files import SiloFile

from fedjobs_agent.config import AgentConfig
from fedjobs_agent.errors import StartRefusedError
from fedjobs_agent.federation.declines import Declines
from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.identity.job_identities import Credentials, JobIdentities
from fedjobs_agent.metrics import AgentMetrics
from fedjobs_agent.planning.observations import Worker
from fedjobs_agent.planning.planner import Action, Decline, End, GiveUpGpu, Gpus, Judged, Start, plan
from fedjobs_agent.silo_file_reader import SiloFileReader
from fedjobs_agent.workers.hindrances import Hindrances
from fedjobs_agent.workers.workers import Workers

RESYNC_S = 60.0
_AFTER_ERROR_S = 5.0
_TOGETHER_S = 0.2  # changes within this time are handled together
_STUCK_S = 600.0
_LOG = structlog.get_logger()


class Invitations(Protocol):
    """The source of invitations. See `fedjobs_agent.federation.invitations.HubInvitations`."""

    superseded: FedjobsError | None

    def current(self) -> Sequence[Received] | None: ...

    def follow(self, changed: Callable[[], object], stopping: threading.Event) -> None: ...


class Agent:
    """The agent of a silo.

    Args:
        config: The agent's configuration.
        silo_file: Reads the silo file.
        workers: The silo's workers.
        invitations: The source of invitations.
        identities: Gets credentials for workers and declines from the hub.
        metrics: The agent's metrics.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        config: AgentConfig,
        silo_file: SiloFileReader,
        workers: Workers,
        invitations: Invitations,
        identities: JobIdentities,
        metrics: AgentMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._workers = workers
        self._invitations = invitations
        self._identities = identities
        self._metrics = metrics
        self._clock = clock
        self._silo_file = silo_file
        self._declines = Declines(identities.identity, config.dial_address, time.monotonic, config.audit_file)
        self._given_up: dict[str, str] = {}
        self._unused: dict[str, Credentials] = {}
        """By invitation, the credentials of workers that could not be started."""
        self._hindrances = Hindrances(config, workers, time.monotonic)
        self._looked_at = time.monotonic()

    def healthy(self) -> bool:
        """Returns whether the control loop still runs, whether it succeeds or not."""
        return time.monotonic() - self._looked_at < _STUCK_S

    def run(self, stopping: threading.Event) -> None:
        """Runs the control loop until `stopping` is set.

        Raises:
            FedjobsError: SESSION_SUPERSEDED if a newer agent of this silo has connected.
        """
        changed = threading.Event()
        self._invitations.follow(changed.set, stopping)
        self._workers.watch(changed.set, stopping)
        try:
            while not stopping.is_set():
                changed.clear()
                if self._invitations.superseded is not None:
                    raise self._invitations.superseded
                wait = self._look()
                self._wait(changed, stopping, wait)
                stopping.wait(_TOGETHER_S)
        finally:
            self._declines.close()

    def reconcile(self) -> float:
        """Reconciles once. Returns the seconds until the next reconciliation, if nothing changes before.

        An action that fails is retried in the next reconciliation, and does not block other actions.

        Raises:
            FedjobsError: The workers cannot be observed.
        """
        silo = self._silo_file.current()
        received = self._invitations.current()
        if received is None:
            return RESYNC_S  # the hub has not answered yet; existing workers continue
        workers, pods = self._workers.observed()
        standing = {each.id for each in received}
        self._given_up = {key: why for key, why in self._given_up.items() if key in standing}
        self._declines.forget_others(standing)
        self._unused = {key: kept for key, kept in self._unused.items() if key in standing}
        gpus = self._gpus(silo)
        hindered = self._hindrances.look(received, workers, pods, gpus)
        judged = [_judged(each, silo) for each in received]
        planned = plan(judged, workers, pods, gpus, self._clock(), hindered, silo.policy.limits.jobs_at_once)
        done = [self._done(action, silo) for action in sorted(planned.actions, key=_urgency)]
        if all(done):
            self._count(len(received), workers)
        else:
            self._metrics.failed()
        longest = RESYNC_S if all(done) else _AFTER_ERROR_S
        return min([longest, *(s for s in (planned.again_in_s, self._hindrances.again_in_s) if s is not None)])

    def _gpus(self, silo: SiloFile) -> Gpus:
        gpu, patience_s = silo.runner.gpu, self._config.gpu_timeout_seconds
        if gpu is None:
            return Gpus(False, patience_s, self._given_up)
        return Gpus(True, patience_s, self._given_up, gpu.resource_name, bool(gpu.node_selector))

    def _wait(self, changed: threading.Event, stopping: threading.Event, seconds: float) -> None:
        """Waits until something changes or the time is over. Waits less if a decline could not be sent."""
        begin = time.monotonic()
        while not stopping.is_set():
            longest = min(seconds, _AFTER_ERROR_S) if self._declines.waiting else seconds
            left = begin + longest - time.monotonic()
            if left <= 0 or changed.wait(min(left, 1.0)):
                return

    def _look(self) -> float:
        self._looked_at = time.monotonic()
        try:
            return self.reconcile()
        except FedjobsError as error:
            _LOG.error("the reconciliation failed; retrying", code=error.code.label, error=error.public)
        except Exception:
            _LOG.exception("the reconciliation failed unexpectedly; retrying")
        self._metrics.failed()
        return _AFTER_ERROR_S

    def _done(self, action: Action, silo: SiloFile) -> bool:
        """Runs an action. Returns whether it succeeded, and logs an error if not."""
        try:
            self._do(action, silo)
        except FedjobsError as error:
            _LOG.error("an action failed; retrying", action=_name(action), code=error.code.label, error=error.public)
        except Exception:
            _LOG.exception("an action failed unexpectedly; retrying", action=_name(action))
        else:
            return True
        return False

    def _do(self, action: Action, silo: SiloFile) -> None:
        if isinstance(action, Start):
            self._start(action, silo)
        elif isinstance(action, End):
            self._workers.end(action.worker, at_once=action.at_once)
            self._did("end", action.worker.name, reason=action.reason)
        elif isinstance(action, GiveUpGpu):
            self._given_up[action.received.id] = action.message
            self._workers.end(action.worker, at_once=False)
            self._did("give-up-gpu", action.received.invitation.job_name, reason=action.message)
        elif isinstance(action, Decline) and self._declines.tell(action):
            self._did("decline", action.received.invitation.job_name, rule=action.rule, reason=action.message)

    def _start(self, start: Start, silo: SiloFile) -> None:
        invitation = start.received.invitation
        if not self._hindrances.may_start(start.received):
            return
        # The hub keeps each token for a day, and limits the number per silo. So an unused token is used in the next
        # try.
        id_ = start.received.id
        credentials = self._unused.pop(id_, None) or self._identities.credentials(invitation.job_uid)
        try:
            made = self._workers.start(start, silo, credentials)
        except Exception as error:
            self._unused[id_] = credentials
            if isinstance(error, StartRefusedError):
                self._hindrances.refused(start.received)
            raise
        if made:
            self._did("start", invitation.job_name, gpu=start.gpu, note=start.device_note)
        else:
            _LOG.warning("a worker with this name exists already", job=invitation.job_name)

    def _did(self, action: str, job: str, **details: object) -> None:
        self._metrics.did(action)
        _LOG.info(action, job=job, **details)

    def _count(self, invitations: int, workers: Sequence[Worker]) -> None:
        ending = sum(worker.ending for worker in workers)
        finished = sum(worker.finished_at is not None and not worker.ending for worker in workers)
        self._metrics.looked(invitations, len(workers) - ending - finished, finished, ending)


def _judged(received: Received, silo: SiloFile) -> Judged:
    return Judged(received, policies.on_invitation(silo.policy, silo.silo, silo.datasets, received.invitation))


def _urgency(action: Action) -> int:
    """Orders actions: those that free resources first, and those that need the hub last, because it may be away."""
    return (End, GiveUpGpu, Decline, Start).index(type(action))


def _name(action: Action) -> str:
    return action.worker.name if isinstance(action, End | GiveUpGpu) else action.received.invitation.job_name
