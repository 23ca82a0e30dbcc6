"""What the hub looks after by itself: the authority, the invitations of silos, their statuses, and what is over.

Every hub of a federation does the same. What they write is decided from what is written down alone, and is written on
condition that this is still so; so it does not matter which of them is first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_operator.cluster.api_calls import ApiError
from fedjobs_operator.times import Clock, Time

from fedjobs_hub import metrics, names
from fedjobs_hub.certificates.authority_keeping import AuthorityKeeping
from fedjobs_hub.certificates.issuing import Issuing
from fedjobs_hub.cluster.cluster_api import ClusterApi, Resource
from fedjobs_hub.cluster.sightings import Sightings
from fedjobs_hub.objects import silo_invitations, silo_statuses, silos
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.settings import Settings

_LOOK_EVERY_S, _SWEEP_EVERY_S = 5.0, 30.0
_LEAST_S = 0.5
"""Between two looks, however much changes."""
_LOG = structlog.get_logger(__name__)


class Keeping:
    """Looks after things until it is cancelled.

    Args:
        api: Of the cluster.
        settings: Of the federation.
        seen: What was seen of the cluster.
        issuing: Is given the authority as it is.
        authority: Looks after that.
        clock: The time.
    """

    def __init__(
        self,
        api: ClusterApi,
        settings: Settings,
        seen: Sightings,
        issuing: Issuing,
        authority: AuthorityKeeping,
        clock: Clock,
    ) -> None:
        self._api = api
        self._settings = settings
        self._seen = seen
        self._issuing = issuing
        self._authority = authority
        self._clock = clock

    async def run(self) -> None:
        """Never returns."""
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
                _failed(error)
            await asyncio.sleep(_LEAST_S)
            if at_changes:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), every_s)
            else:
                await asyncio.sleep(every_s)

    async def _look_after_authority(self) -> None:
        self._issuing.authority = await asyncio.to_thread(self._authority.look)

    async def _look_after_silos(self) -> None:
        now = self._clock()
        connected = 0
        for silo in self._seen.silos:
            lease = self._seen.agents.get(silo.name)
            connected += lease is not None and lease.is_connected(now)
            try:
                await self._look_after_silo(silo, lease, now)
            except Exception as error:  # one silo's trouble is not the others'
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
        """Makes a token for a silo. First the Secret, then its hash: a hub that ends in between has lost nothing."""
        body = self._api.get(Resource.SILO, None, name)
        if body is None:
            return
        silo = silos.parsed(body)
        if not silo.needs_invitation or silo.suspended:
            return
        invitation = self._invitation(silo)
        if invitation is None:
            return  # another hub is at it
        change = {
            "enrolment": {**_ALL_NONE, **invitation.enrolment().model_dump(by_alias=True, exclude_none=True)},
            "certificateExpires": None,
        }
        if self._api.merge_status(Resource.SILO, name, silo.version, change) is not None:
            _LOG.info("a silo is invited", silo=name, secret=invitation.name)

    def _invitation(self, silo: KnownSilo) -> silo_invitations.SiloInvitation | None:
        """The Secret of the invitation that is wanted: the one that is there, or a new one in its place."""
        namespace = self._settings.own_namespace
        found = self._api.get(Resource.SECRET, namespace, names.invitation(silo.name))
        if found is not None:
            invitation = silo_invitations.parsed(found)
            if invitation.is_for(silo) and invitation.expires > self._clock():
                return invitation
            self._api.delete(Resource.SECRET, namespace, invitation.name, uid=invitation.uid)
        trust = self._issuing.authority.servers_trust()
        made = self._api.create(Resource.SECRET, silo_invitations.new(silo, trust, self._settings, self._clock()))
        return None if made is None else silo_invitations.parsed(made)

    def _end_invitation(self, invitation: silo_invitations.SiloInvitation, now: Time) -> None:
        """Deletes it, unless the Silo itself says otherwise: another hub may have made it a moment ago."""
        body = self._api.get(Resource.SILO, None, invitation.silo)
        if invitation.is_over(None if body is None else silos.parsed(body), now):
            self._api.delete(Resource.SECRET, self._settings.own_namespace, invitation.name, uid=invitation.uid)

    async def _sweep(self) -> None:
        """Deletes invitations and workers' Leases that are over."""
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


_ALL_NONE = {"tokenHash": None, "expires": None, "invitedAgain": None, "keyFingerprint": None}


def _failed(error: Exception, **about: str) -> None:
    metrics.FAILURES.inc()
    expected = isinstance(error, ApiError | FedjobsError)
    (_LOG.warning if expected else _LOG.exception)("a look failed; it is tried again", error=str(error), **about)
