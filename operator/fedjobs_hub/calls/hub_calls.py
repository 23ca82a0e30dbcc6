"""The service for agents and workers, which authenticate with their certificates."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from datetime import timedelta

import structlog
from fedjobs_api import times
from fedjobs_api.times import Clock
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import HubCaller
from fedjobs_protocol.v1 import hub_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS, negotiate

from fedjobs_hub import names
from fedjobs_hub.calls.enrolment_calls import certified, check_invited
from fedjobs_hub.calls.limits import RateLimit
from fedjobs_hub.certificates.issuance import Issuance, PublicKey
from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.cluster.informers import Informers
from fedjobs_hub.cluster.store import Store
from fedjobs_hub.objects import agent_leases, announcements, enrolments, worker_leases
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.objects.worker_leases import WorkerLease
from fedjobs_hub.settings import Settings

LONG_POLL_S = 45.0
"""Shorter than the idle timeout of common load balancers, and than the callers' timeout."""
_MOST_POLLS = 4
_MOST_WORKERS = 256
_LOG = structlog.get_logger(__name__)


class HubCalls:
    """The service `fedjobs.v1.Hub`.

    Args:
        api: The cluster's API.
        settings: The settings of the federation.
        seen: The caches of the cluster's objects.
        issuing: Issues certificates.
        clock: Returns the time.
        long_poll_s: How long a poll waits for changes.
    """

    def __init__(
        self,
        api: ClusterApi,
        settings: Settings,
        seen: Informers,
        issuing: Issuance,
        clock: Clock = times.now,
        long_poll_s: float = LONG_POLL_S,
    ) -> None:
        self._api = api
        self._settings = settings
        self._seen = seen
        self._issuance = issuing
        self._clock = clock
        self._long_poll_s = long_poll_s
        self._store = Store(api, seen, settings.own_namespace)
        self._calls = RateLimit(10, 200, "calls")
        self._polls: Counter[str] = Counter()

    async def announce(self, caller: HubCaller, request: pb.AnnounceRequest) -> pb.AnnounceResponse:
        """Starts a session of the silo's agent. Ends the session of another agent of the silo."""
        self._calls.take(caller.silo)
        silo = await self._agent(caller)
        version = negotiate(PROTOCOL_VERSIONS, request.protocol_versions, "protocol")
        agent_id = announcements.cleaned(request.agent_id)
        if not agent_id:
            raise FedjobsError(ErrorCode.SESSION_NOT_FOUND, "The agent did not send its ID.")
        check = functools.partial(enrolments.check_agent, name=caller.silo, key=caller.key)
        await self._store.change_silo(silo.name, announcements.change(request), check)
        await self._write_agent(silo, agent_id)
        _LOG.info("an agent has announced itself", silo=silo.name, agent=agent_id)
        return pb.AnnounceResponse(protocol_version=version, silo=silo.name)

    async def pull_invitations(
        self, caller: HubCaller, request: pb.PullInvitationsRequest
    ) -> pb.PullInvitationsResponse:
        """Returns all current invitations, as soon as they differ from those that the caller has seen."""
        self._calls.take(caller.silo)
        agent_id = announcements.cleaned(request.agent_id)
        if self._polls[caller.silo] >= _MOST_POLLS:
            raise FedjobsError(ErrorCode.TOO_MANY_REQUESTS, f"The silo {caller.silo} has too many polls at a time.")
        self._polls[caller.silo] += 1
        try:
            return await self._polled(caller, agent_id, request.seen, request.audit_anchor)
        finally:
            self._polls -= Counter({caller.silo: 1})  # removes entries that are zero

    async def create_worker_token(
        self, caller: HubCaller, request: pb.CreateWorkerTokenRequest
    ) -> pb.CreateWorkerTokenResponse:
        """Creates a one-time token for a worker of this silo and one job."""
        self._calls.take(caller.silo)
        silo = await self._agent(caller)
        await check_invited(self._seen, silo.name, request.job_uid)
        if sum(lease.silo == silo.name for lease in self._seen.workers) >= _MOST_WORKERS:
            message = f"The silo {silo.name} has reached the limit of {_MOST_WORKERS} workers and tokens for workers."
            raise FedjobsError(ErrorCode.TOO_MANY_REQUESTS, message, "Wait until some of its workers have ended.")
        secret = silo_tokens.new_secret()
        lease = worker_leases.new(secret, silo, request.job_uid, self._settings.own_namespace, self._clock())
        created = await asyncio.to_thread(self._api.create, Resource.LEASE, lease)
        if created is None:
            raise RuntimeError("a new token has the same 256 random bits as an earlier one")
        self._seen.workers.answered(created)
        return pb.CreateWorkerTokenResponse(token=secret)

    async def renew(self, caller: HubCaller, request: pb.RenewRequest) -> pb.Issued:
        """Issues the caller's next certificate for the same key."""
        self._calls.take(caller.silo)
        key = keys.requested_key(request.csr)
        if keys.fingerprint(key) != caller.key:
            message = "The request and the caller's certificate have different keys."
            raise FedjobsError(ErrorCode.INVALID_CERTIFICATE_REQUEST, message, "A new key requires a new token.")
        if caller.job_uid is not None:
            return await self._renewed_worker(caller, caller.job_uid, key)
        silo = await self._agent(caller)
        issued = self._issuance.agent(key, silo.name)
        check = functools.partial(enrolments.check_agent, name=caller.silo, key=caller.key)
        await self._store.change_silo(silo.name, certified(issued), check)
        return issued

    async def _agent(self, caller: HubCaller) -> KnownSilo:
        """Returns the silo of a caller, which must be the silo's agent."""
        if caller.job_uid is not None:
            message = "The caller's certificate is a worker's, not an agent's."
            raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, "Only the silo's agent may make this call.")
        return await self._store.silo(
            caller.silo, functools.partial(enrolments.check_agent, name=caller.silo, key=caller.key)
        )

    async def _polled(
        self, caller: HubCaller, agent_id: str, seen: str, audit_anchor: str
    ) -> pb.PullInvitationsResponse:
        clock = asyncio.get_running_loop().time
        ends = clock() + self._long_poll_s
        heard = False
        while True:
            changed = self._seen.changed()
            silo = await self._agent(caller)
            lease = await self._newest(silo, agent_id)
            if not heard:
                await self._hear(caller, silo, lease, audit_anchor)
                heard = True
            tag, documents = self._seen.invitations(silo.name)
            if tag != seen or clock() >= ends:
                return pb.PullInvitationsResponse(tag=tag, invitations=documents)
            try:
                await asyncio.wait_for(changed.wait(), max(0.0, ends - clock()))
            except TimeoutError:
                continue

    async def _newest(self, silo: KnownSilo, agent_id: str) -> AgentLease:
        def check(lease: AgentLease | None) -> AgentLease:
            return agent_leases.check_newest(lease, silo, agent_id)

        return await self._store.lease(self._seen.agents, names.agent_lease(silo.name), silo.name, check)

    async def _hear(self, caller: HubCaller, silo: KnownSilo, lease: AgentLease, audit_anchor: str) -> None:
        """Updates the Lease of the agent if it is older than 20 s, and the anchor of the silo's audit log."""
        due = self._clock() - lease.heard >= agent_leases.WRITTEN_EVERY
        if due:
            await self._write_agent(silo, lease.agent_id, only_if_newest=True)
        known = silo.status.audit_anchor
        anchor = announcements.audit_anchor(audit_anchor, known)
        if anchor is not None and (due or known is None):
            check = functools.partial(enrolments.check_agent, name=caller.silo, key=caller.key)
            await self._store.change_silo(silo.name, {"auditAnchor": anchor}, check)

    async def _write_agent(self, silo: KnownSilo, agent_id: str, *, only_if_newest: bool = False) -> None:
        def change(body: Body | None) -> Body:
            if only_if_newest:
                agent_leases.check_newest(None if body is None else agent_leases.parsed(body), silo, agent_id)
            return agent_leases.announced(body, silo, agent_id, self._settings.own_namespace, self._clock())

        await self._store.change_lease(self._seen.agents, names.agent_lease(silo.name), change)

    async def _renewed_worker(self, caller: HubCaller, job_uid: str, key: PublicKey) -> pb.Issued:
        silo = await self._store.silo(caller.silo, functools.partial(enrolments.check_member, name=caller.silo))
        await check_invited(self._seen, silo.name, job_uid)

        def mine() -> WorkerLease | None:
            found = (lease for lease in self._seen.workers if lease.key == caller.key)
            return next((lease for lease in found if (lease.silo, lease.job_uid) == (silo.name, job_uid)), None)

        await self._seen.until(lambda: mine() is not None, 2.0)
        lease = worker_leases.check_of(mine(), silo)
        lifetime: timedelta = self._settings.lifetimes.worker

        def held(body: Body | None) -> Body:
            now = self._clock()
            worker_leases.check_use(None if body is None else worker_leases.parsed(body), caller.key, now)
            return worker_leases.held(body or {}, caller.key, now, lifetime)

        await self._store.change_lease(self._seen.workers, lease.name, held)
        return self._issuance.worker(key, job_uid, silo.name)
