"""Telling a coordinator that the silo does not take part: a Join with a reason, by the agent itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import structlog
from fedjobs_protocol.channels import open_channel
from fedjobs_protocol.errors import FedjobsError
from fedjobs_protocol.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS, SHARD_FORMATS

from fedjobs_agent.invitations import Received
from fedjobs_agent.planning import Decline

REPEATED_AFTER_S = 300.0
"""A coordinator that was started anew may not know of it any more."""
_LOG = structlog.get_logger()


def decline(received: Received, rule: str, message: str, dial_address: str | None = None) -> None:
    """Tells it once.

    Args:
        received: What is declined; its identity is used.
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
        fedjobs_version=metadata.version("fedjobs"),
        highest_epoch=0,
        decline=pb.Decline(rule=rule, message=message),
    )
    address = dial_address or invitation.address
    with open_channel(address, invitation.server_name, received.identity) as channel:
        SessionClient(channel).join(request)


class Declines:
    """Tells coordinators in the background, again after a while, and sooner where one could not be told.

    Args:
        dial_address: Dialled instead of the invitations' addresses.
        clock: Seconds, of any beginning.
    """

    def __init__(self, dial_address: str | None, clock: Callable[[], float]) -> None:
        self._dial_address = dial_address
        self._clock = clock
        self._told: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="declines")

    def tell(self, what: Decline) -> bool:
        """Begins to tell, unless it was told a while ago or is just being told; whether it began."""
        key = what.received.id, what.rule, what.message
        with self._lock:
            if self._clock() - self._told.get(key, -REPEATED_AFTER_S) < REPEATED_AFTER_S:
                return False
            self._told[key] = self._clock()
        self._pool.submit(self._tell, what, key)
        return True

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
            decline(what.received, what.rule, what.message, self._dial_address)
        except FedjobsError as error:
            _LOG.warning("the coordinator could not be told", job=job, code=error.code.label, error=error.public)
            with self._lock:
                self._told.pop(key, None)
            return
        except Exception:
            _LOG.exception("the decline failed unexpectedly", job=job)
            return
        _LOG.info("declined", job=job, rule=what.rule, reason=what.message)
