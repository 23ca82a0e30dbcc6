"""Sends declines to coordinators. A decline is a Join call with a reason, which the agent makes itself."""

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
"""The interval for repeating a decline. A coordinator that was restarted may not know of it."""
_NOT_YET = -math.inf
_LOG = structlog.get_logger()


def decline(received: Received, identity: Identity, rule: str, message: str, dial_address: str | None = None) -> None:
    """Sends a decline to the coordinator.

    Args:
        received: The declined invitation.
        identity: The identity of this silo for the job.
        rule: The silo's rule that the job violates.
        message: A message for the user who runs the job.
        dial_address: An address to connect to instead of the invitation's.

    Raises:
        FedjobsError: The call failed.
    """
    invitation = received.invitation
    request = pb.JoinRequest(
        protocol_versions=PROTOCOL_VERSIONS,
        shard_formats=SHARD_FORMATS,
        fedjobs_version=installed("fedjobs"),
        highest_generation=0,
        decline=pb.Decline(rule=rule, message=message),
    )
    address = dial_address or invitation.address
    with open_channel(address, invitation.server_name, identity) as channel:
        SessionClient(channel).join(request)


class Declines:
    """Sends declines in the background. Repeats them after 300 s, or sooner if a call failed.

    Args:
        identity: Returns this silo's identity for a job's uid.
        dial_address: An address to connect to instead of those of the invitations.
        clock: Returns seconds since any fixed time.
        audit: The path of the silo's audit log.
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
        """Starts sending a decline, unless it was sent recently or is being sent. Returns whether it started."""
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
                    del self._told[key]  # record and send it in the next reconciliation
                raise
        self._pool.submit(self._tell, what, key)
        return True

    @property
    def waiting(self) -> bool:
        """Whether a call failed and must be repeated in the next reconciliation."""
        with self._lock:
            return _NOT_YET in self._told.values()

    def _record(self, what: Decline) -> None:
        invitation = what.received.invitation
        with contextlib.closing(Audit(self._audit, what.received.silo, invitation.job_uid)) as audit:
            details = {"requester": invitation.requested_by, "namespace": invitation.namespace}
            audit.record("invitation", Refused(what.rule, what.message), datasets=invitation.datasets, **details)

    def forget_others(self, standing: set[str]) -> None:
        """Forgets the declines of withdrawn invitations."""
        with self._lock:
            self._told = {key: at for key, at in self._told.items() if key[0] in standing}

    def close(self) -> None:
        """Stops sending. Does not wait for calls in progress."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, what: Decline, key: tuple[str, str, str]) -> None:
        job = what.received.invitation.job_name
        try:
            identity = self._identity(what.received.invitation.job_uid)
            decline(what.received, identity, what.rule, what.message, self._dial_address)
        except FedjobsError as error:
            _LOG.warning(
                "cannot send a decline to the coordinator; retrying", job=job, code=error.code.label, error=error.public
            )
            with self._lock:
                self._told[key] = _NOT_YET
            return
        except Exception:
            _LOG.exception("the decline failed unexpectedly", job=job)
            return
        _LOG.info("declined", job=job, rule=what.rule, reason=what.message)
