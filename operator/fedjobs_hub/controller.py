"""The hub's controller for the authority, the invitations and statuses of silos, and expired objects.

Every hub of a federation runs this controller. Each write only depends on stored objects, and is conditional on their
resource versions. So it does not matter which hub writes first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from fedjobs_api.api_calls import ApiError
from fedjobs_api.times import Clock, Time
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_hub import metrics, names
from fedjobs_hub.certificates.authority_controller import AuthorityController
from fedjobs_hub.certificates.issuance import Issuance
from fedjobs_hub.cluster.cluster_api import ClusterApi, Resource
from fedjobs_hub.cluster.informers import Informers
from fedjobs_hub.objects import silo_invitations, silo_statuses, silos
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.settings import Settings

_LOOK_EVERY_S, _SWEEP_EVERY_S = 5.0, 30.0
_LEAST_S = 0.5
"""The minimum interval between two reconciliations."""
_FATAL = frozenset({ErrorCode.AUTHORITY_MISSING, ErrorCode.FEDERATION_EXISTS})
_LOG = structlog.get_logger(__name__)


class Controller:
    """Reconciles until it is cancelled.

    Args:
        api: The cluster's API.
        settings: The settings of the federation.
        seen: The caches of the cluster's objects.
        issuing: Receives the current authority.
        authority: Maintains the authority.
        clock: Returns the time.
    """

    def __init__(
        self,
        api: ClusterApi,
        settings: Settings,
        seen: Informers,
        issuing: Issuance,
        authority: AuthorityController,
        clock: Clock,
    ) -> None:
        self._api = api
        self._settings = settings
        self._seen = seen
        self._issuance = issuing
        self._authority = authority
        self._clock = clock

    async def run(self) -> None:
        """Runs all control loops. Never returns.

        Raises:
            FedjobsError: AUTHORITY_MISSING or FEDERATION_EXISTS. A hub must not continue then.
        """
        await asyncio.gather(
            self._again(self._look_after_silos, _LOOK_EVERY_S, at_changes=True),
            self._again(self._look_after_authority, _LOOK_EVERY_S),
            self._again(self._sweep, _SWEEP_EVERY_S, at_changes=True),
        )

    async def _again(self, look: Callable[[], Awaitable[None]], every_s: float, *, at_changes: bool = False) -> None:
        while True:
            changed = self._seen.changed()
            try:
                await look()
            except Exception as error:
                if isinstance(error, FedjobsError) and error.code in _FATAL:
                    raise
                _failed(error)
            await asyncio.sleep(_LEAST_S)
            if at_changes:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), every_s)
            else:
                await asyncio.sleep(every_s)

    async def _look_after_authority(self) -> None:
        self._issuance.authority = await asyncio.to_thread(self._authority.look)

    async def _look_after_silos(self) -> None:
        now = self._clock()
        connected = 0
        for silo in self._seen.silos:
            lease = self._seen.agents.get(silo.name)
            connected += lease is not None and lease.is_connected(now)
            try:
                await self._look_after_silo(silo, lease, now)
            except Exception as error:  # an error for one silo must not affect the others
                _failed(error, silo=silo.name)
        metrics.SILOS.labels("connected").set(connected)
        metrics.SILOS.labels("all").set(len(list(self._seen.silos)))

    async def _look_after_silo(self, silo: KnownSilo, lease: AgentLease | None, now: Time) -> None:
        if silo.needs_invitation and not silo.suspended:
            await asyncio.to_thread(self._invite, silo.name)
            return
        grace = self._settings.lifetimes.grace
        change = silo_statuses.change(silo, lease, self._settings.own_namespace, grace, now)
        if change:
            body = await asyncio.to_thread(self._api.merge_status, Resource.SILO, silo.name, silo.version, change)
            if body is not None:
                self._seen.silos.answered(body)

    def _invite(self, name: str) -> None:
        """Creates a token for a silo. Writes the Secret before the hash in the Silo, so that a crash loses nothing."""
        body = self._api.get(Resource.SILO, None, name)
        if body is None:
            return
        silo = silos.parsed(body)
        if not silo.needs_invitation or silo.suspended:
            return
        invitation = self._invitation(silo)
        if invitation is None:
            return  # another hub is creating the invitation
        change = {
            "enrolment": {**_ALL_NONE, **invitation.enrolment().model_dump(by_alias=True, exclude_none=True)},
            "certificateExpirationTime": None,
        }
        if self._api.merge_status(Resource.SILO, name, silo.version, change) is not None:
            _LOG.info("a silo is invited", silo=name, secret=invitation.name)

    def _invitation(self, silo: KnownSilo) -> silo_invitations.SiloInvitation | None:
        """Returns the silo's current invitation. Replaces an outdated Secret. None if another hub was faster."""
        namespace = self._settings.own_namespace
        found = self._api.get(Resource.SECRET, namespace, names.invitation(silo.name))
        if found is not None:
            invitation = silo_invitations.parsed(found)
            if invitation.is_for(silo) and invitation.expires > self._clock():
                return invitation
            self._api.delete(Resource.SECRET, namespace, invitation.name, uid=invitation.uid)
        trust = self._issuance.authority.servers_trust()
        made = self._api.create(Resource.SECRET, silo_invitations.new(silo, trust, self._settings, self._clock()))
        return None if made is None else silo_invitations.parsed(made)

    def _end_invitation(self, invitation: silo_invitations.SiloInvitation, now: Time) -> None:
        """Deletes an invitation, unless the stored Silo needs it: another hub may have just created it."""
        body = self._api.get(Resource.SILO, None, invitation.silo)
        if invitation.is_over(None if body is None else silos.parsed(body), now):
            self._api.delete(Resource.SECRET, self._settings.own_namespace, invitation.name, uid=invitation.uid)

    async def _sweep(self) -> None:
        """Deletes expired or used invitations, and expired Leases of workers."""
        now, namespace = self._clock(), self._settings.own_namespace
        found, _ = await asyncio.to_thread(self._api.all, Resource.SECRET, namespace, names.INVITATIONS)
        for body in found:
            try:
                invitation = silo_invitations.parsed(body)
                if invitation.is_over(self._seen.silos.get(invitation.silo), now):
                    await asyncio.to_thread(self._end_invitation, invitation, now)
            except Exception as error:
                _failed(error, secret=body["metadata"]["name"])
        for lease in self._seen.workers:
            if lease.ends < now:
                await asyncio.to_thread(self._api.delete, Resource.LEASE, namespace, lease.name, uid=lease.uid)


_ALL_NONE = {"tokenHash": None, "tokenExpirationTime": None, "lastHandledInviteAgain": None, "keyFingerprint": None}


def _failed(error: Exception, **about: str) -> None:
    metrics.FAILURES.inc()
    expected = isinstance(error, ApiError | FedjobsError)
    (_LOG.warning if expected else _LOG.exception)("a reconciliation failed; retrying", error=str(error), **about)
