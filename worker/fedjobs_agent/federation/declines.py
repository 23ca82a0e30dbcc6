"""Telling a coordinator that the silo does not take part: a Join with a reason, by the agent itself."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS, SHARD_FORMATS, installed
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Refused

from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.planning.planner import Decline

REPEATED_AFTER_S = 300.0
"""A coordinator that was started anew may not know of it any more."""
_NOT_YET = -math.inf
_LOG = structlog.get_logger()


def decline(received: Received, identity: Identity, rule: str, message: str, dial_address: str | None = None) -> None:
    """Tells it once.

    Args:
        received: What is declined.
        identity: Of this silo, for that job.
        rule: The rule of the silo that says no.
        message: For the person who runs the job.
        dial_address: Dialled instead of the invitation's address.

    Raises:
        FedjobsError: The coordinator could not be told.
    """
    invitation = received.invitation
    request = pb.JoinRequest(
        protocol_versions=PROTOCOL_VERSIONS,
        shard_formats=SHARD_FORMATS,
        fedjobs_version=installed("fedjobs"),
        highest_epoch=0,
        decline=pb.Decline(rule=rule, message=message),
    )
    address = dial_address or invitation.address
    with open_channel(address, invitation.server_name, identity) as channel:
        SessionClient(channel).join(request)


class Declines:
    """Tells coordinators in the background, again after a while, and sooner where one could not be told.

    Args:
        identity: Gets this silo's identity for a job's UID.
        dial_address: Dialled instead of the invitations' addresses.
        clock: Seconds, of any beginning.
        audit: The silo's audit log.
    """

    def __init__(
        self, identity: Callable[[str], Identity], dial_address: str | None, clock: Callable[[], float], audit: Path
    ) -> None:
        self._audit = audit
        self._identity = identity
        self._dial_address = dial_address
        self._clock = clock
        self._told: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="declines")

    def tell(self, what: Decline) -> bool:
        """Begins to tell, unless it was told a while ago or is just being told; whether it began."""
        key = what.received.id, what.rule, what.message
        with self._lock:
            if self._clock() - self._told.get(key, _NOT_YET) < REPEATED_AFTER_S:
                return False
            first = key not in self._told
            self._told[key] = self._clock()
        if first:
            try:
                self._record(what)
            except Exception:
                with self._lock:
                    del self._told[key]  # it is to be told, and recorded, at the next look
                raise
        self._pool.submit(self._tell, what, key)
        return True

    @property
    def waiting(self) -> bool:
        """Whether a coordinator could not be told, and is to be told at the next look."""
        with self._lock:
            return _NOT_YET in self._told.values()

    def _record(self, what: Decline) -> None:
        invitation = what.received.invitation
        with contextlib.closing(Audit(self._audit, what.received.silo, invitation.job_uid)) as audit:
            details = {"requester": invitation.requested_by, "namespace": invitation.namespace}
            audit.record("invitation", Refused(what.rule, what.message), datasets=invitation.datasets, **details)

    def forget_others(self, standing: set[str]) -> None:
        """Forgets what is about no invitation that stands."""
        with self._lock:
            self._told = {key: at for key, at in self._told.items() if key[0] in standing}

    def close(self) -> None:
        """Does not wait for a coordinator that does not answer."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, what: Decline, key: tuple[str, str, str]) -> None:
        job = what.received.invitation.job_name
        try:
            identity = self._identity(what.received.invitation.job_uid)
            decline(what.received, identity, what.rule, what.message, self._dial_address)
        except FedjobsError as error:
            _LOG.warning("the coordinator could not be told", job=job, code=error.code.label, error=error.public)
            with self._lock:
                self._told[key] = _NOT_YET
            return
        except Exception:
            _LOG.exception("the decline failed unexpectedly", job=job)
            return
        _LOG.info("declined", job=job, rule=what.rule, reason=what.message)
