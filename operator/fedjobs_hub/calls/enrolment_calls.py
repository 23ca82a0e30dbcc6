"""The service for callers without a certificate. All callers are untrusted."""

from __future__ import annotations

import asyncio
import functools

import structlog
from fedjobs_api import times
from fedjobs_api.times import Clock, Time
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.identities import identities, keys
from fedjobs_protocol.v1 import hub_pb2 as pb

from fedjobs_hub import names
from fedjobs_hub.calls.limits import RateLimit
from fedjobs_hub.certificates import issuance
from fedjobs_hub.certificates.issuance import Issuance
from fedjobs_hub.cluster import pods
from fedjobs_hub.cluster.cluster_api import Body, ClusterApi
from fedjobs_hub.cluster.informers import Informers
from fedjobs_hub.cluster.store import Store
from fedjobs_hub.objects import enrolments, worker_leases
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.objects.worker_leases import WorkerLease
from fedjobs_hub.settings import Settings

_LONGEST_TOKEN = 256
_LONGEST_CERTIFICATE = 16 * 1024
_CATCH_UP_S = 2.0
_LOG = structlog.get_logger(__name__)


class EnrolmentCalls:
    """The service `fedjobs.v1.Enrolment`.

    Args:
        api: The cluster's API.
        settings: The settings of the federation.
        seen: The caches of the cluster's objects.
        issuing: Issues certificates.
        clock: Returns the time.
    """

    def __init__(
        self, api: ClusterApi, settings: Settings, seen: Informers, issuing: Issuance, clock: Clock = times.now
    ) -> None:
        self._api = api
        self._settings = settings
        self._seen = seen
        self._issuance = issuing
        self._clock = clock
        self._store = Store(api, seen, settings.own_namespace)
        self._calls = RateLimit(200, 1000, "calls without a certificate")
        # Calls that query the cluster are more expensive. Only unknown callers, and callers ahead of the caches, need
        # them.
        self._questions = RateLimit(20, 40, "calls whose token or key is not known")

    async def enrol(self, host: str, request: pb.EnrolRequest) -> pb.Issued:
        """Issues a silo's first certificate."""
        self._calls.take(host)
        _check_length(request.token)
        key = keys.requested_key(request.csr)
        fingerprint = keys.fingerprint(key)

        def check(silo: KnownSilo | None) -> KnownSilo:
            return enrolments.check_token(silo, request.token, fingerprint, self._clock())

        look_again = functools.partial(self._questions.take, host)
        silo = await self._store.silo(request.silo, check, look_again)
        issued = self._issuance.agent(key, silo.name)
        change = certified(issued) | {"enrolment": {"keyFingerprint": fingerprint}}
        await self._store.change_silo(silo.name, change, check, look_again)
        _LOG.info("a silo has enrolled", silo=silo.name, key=fingerprint)
        return issued

    async def renew_expired(self, host: str, request: pb.RenewExpiredRequest) -> pb.Issued:
        """Issues a silo's next certificate after the last one has expired."""
        self._calls.take(host)
        if len(request.certificate) > _LONGEST_CERTIFICATE:
            raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, "The certificate is too long for a silo's agent.")
        name = issuance.silo_of(request.certificate)
        fingerprint = keys.fingerprint(keys.certified_key(request.certificate))
        key = keys.requested_key(request.csr)
        if keys.fingerprint(key) != fingerprint:
            raise FedjobsError(
                ErrorCode.INVALID_CERTIFICATE_REQUEST, "The request and the certificate have different keys."
            )

        def check(silo: KnownSilo | None) -> KnownSilo:
            return enrolments.check_expired(silo, fingerprint, self._clock(), self._settings.lifetimes.grace)

        look_again = functools.partial(self._questions.take, host)
        silo = await self._store.silo(name, check, look_again)
        issued = self._issuance.agent(key, silo.name)
        await self._store.change_silo(silo.name, certified(issued), check, look_again)
        _LOG.info("a silo has renewed an expired certificate", silo=silo.name)
        return issued

    async def issue_worker(self, host: str, request: pb.IssueWorkerRequest) -> pb.Issued:
        """Issues a worker's certificate for one job."""
        self._calls.take(host)
        _check_length(request.token)
        key = keys.requested_key(request.csr)
        fingerprint = keys.fingerprint(key)
        name = names.worker_lease(silo_tokens.hashed(request.token))

        def check(lease: WorkerLease | None) -> WorkerLease:
            return worker_leases.check_use(lease, fingerprint, self._clock())

        look_again = functools.partial(self._questions.take, host)
        lease = await self._store.lease(self._seen.workers, name, name, check, look_again)
        await self._check_wanted(lease)

        def held(body: Body | None) -> Body:
            check(None if body is None else worker_leases.parsed(body))
            return worker_leases.held(body or {}, fingerprint, self._clock(), self._settings.lifetimes.worker)

        await self._store.change_lease(self._seen.workers, name, held)
        _LOG.info("a worker has enrolled", silo=lease.silo, job=lease.job_uid, key=fingerprint)
        return self._issuance.worker(key, lease.job_uid, lease.silo)

    async def issue_coordinator(self, host: str, request: pb.IssueForPodRequest) -> pb.Issued:
        """Issues the certificate of a job's coordinator."""
        self._calls.take(host)
        key = keys.requested_key(request.csr)
        self._questions.take(host)
        token = await asyncio.to_thread(pods.reviewed, self._api, request.token)
        job_uid = await asyncio.to_thread(pods.job_of, self._api, token, self._settings.namespaces)
        _LOG.info("a coordinator has enrolled", namespace=token.namespace, pod=token.pod, job=job_uid)
        return self._issuance.coordinator(key, job_uid)

    async def issue_operator(self, host: str, request: pb.IssueForPodRequest) -> pb.Issued:
        """Issues the operator's certificate."""
        self._calls.take(host)
        key = keys.requested_key(request.csr)
        self._questions.take(host)
        token = await asyncio.to_thread(pods.reviewed, self._api, request.token)
        if (token.namespace, token.account) != (self._settings.own_namespace, self._settings.operator_account):
            raise FedjobsError(ErrorCode.INVALID_TOKEN, "The pod's token was rejected: it is not the operator's.")
        _LOG.info("the operator has enrolled", pod=token.pod)
        return self._issuance.operator(key)

    async def _check_wanted(self, lease: WorkerLease) -> None:
        """Checks that a worker's silo is still a member, and still invited to the job."""

        def check(silo: KnownSilo | None) -> KnownSilo:
            known = enrolments.check_member(silo, lease.silo)
            worker_leases.check_of(lease, known)
            return known

        await self._store.silo(lease.silo, check)
        await check_invited(self._seen, lease.silo, lease.job_uid)


async def check_invited(seen: Informers, silo: str, job_uid: str) -> None:
    """Checks that a silo is invited to a job. Waits up to 2 s, because another hub may have seen the invitation first.

    Raises:
        FedjobsError: NOT_INVITED.
    """
    if not await seen.until(lambda: seen.is_invited(silo, job_uid), _CATCH_UP_S):
        message = f"The silo {silo} is not invited to the job {job_uid}, or no longer invited."
        raise FedjobsError(ErrorCode.NOT_INVITED, message, "Check the silo's current invitations.")


def _check_length(token: str) -> None:
    if len(token) > _LONGEST_TOKEN:
        raise FedjobsError(ErrorCode.INVALID_TOKEN, "The token is too long.")


def certified(issued: pb.Issued) -> dict[str, object]:
    """Returns the fields of a Silo's status for a certificate."""
    expires: Time = identities.Identity(issued.certificate, b"", b"").expires
    return {"certificateExpirationTime": times.written(expires)}
