"""Inviting a silo: its object is made, or asked for a new token, and what the hub makes of it is brought here."""

from __future__ import annotations

import base64
import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator.api.silos import SiloStatus
from fedjobs_operator.names import INVITE_AGAIN, silo_invitation
from fedjobs_protocol.hub import silo_tokens

from fedjobs.silos.silo_objects import Body, SiloObjects

_PATIENCE_S, _LOOK_EVERY_S = 60.0, 0.5


@dataclass(frozen=True)
class Invited:
    """What a silo's people are to be sent.

    Attributes:
        silo: Its name.
        command: The exact line that installs it.
        token: The token alone.
        expires: When the token ends.
    """

    silo: str
    command: str
    token: str
    expires: str


def labels(written: Iterable[str]) -> dict[str, str]:
    """Reads labels that are written as `key=value`.

    Raises:
        FedjobsError: INVALID_JOB.
    """
    found: dict[str, str] = {}
    for text in written:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise FedjobsError(
                ErrorCode.INVALID_JOB, f"{text!r} is no label.", "Write --label network=eu, for example."
            )
        found[key] = value
    return found


def invite(
    silos: SiloObjects,
    name: str,
    labels: Mapping[str, str],
    hub_namespace: str,
    *,
    again: bool = False,
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    sleep: Callable[[float], object] = time.sleep,
) -> Invited:
    """Invites a silo, and waits for its token.

    Args:
        silos: Of the federation.
        name: Its name.
        labels: That it shall have.
        hub_namespace: Where the hub is.
        again: With a new token, though it has enrolled already; the key that it had counts no more.
        now: The time; names the wish for a new token.
        sleep: Waits for so many seconds.

    Raises:
        FedjobsError: INVALID_JOB: it has enrolled already, or the API server refuses it; UNAVAILABLE: the hub does not
            answer.
    """
    silo = silos.find(name)
    if silo is None:
        silo = silos.create(name, labels)
    else:
        metadata = {"labels": dict(labels)} if labels else {}
        if again:
            metadata["annotations"] = {INVITE_AGAIN: now().isoformat(timespec="microseconds")}
        elif _status(silo).enrolment is not None and not _is_waiting(_status(silo), now()):
            message = f"The silo {name} has enrolled already, or its invitation has expired."
            raise FedjobsError(ErrorCode.INVALID_JOB, message, f"Make a new token: fedjobs silo invite {name} --again")
        silo = silos.change(silo, {"metadata": metadata}) if metadata else silo
    wish = silo["metadata"].get("annotations", {}).get(INVITE_AGAIN)
    for _ in range(int(_PATIENCE_S / _LOOK_EVERY_S)):
        invited = _invited(silos, name, hub_namespace, wish)
        if invited is not None:
            return invited
        sleep(_LOOK_EVERY_S)
    raise FedjobsError(
        ErrorCode.UNAVAILABLE,
        f"The silo {name} is there, but the hub in namespace {hub_namespace} has made no token for it.",
        "Does a hub run there? See its log, or name its namespace with --hub-namespace.",
    )


def _invited(silos: SiloObjects, name: str, hub_namespace: str, wish: str | None) -> Invited | None:
    """The invitation, once the hub goes by it; None: not yet."""
    enrolment = _status(silos.get(name)).enrolment
    data = silos.secret(hub_namespace, silo_invitation(name))
    if enrolment is None or enrolment.token_hash is None or enrolment.expires is None or data is None:
        return None
    token, command = (base64.b64decode(data[key]).decode() for key in ("token", "command"))
    current = silo_tokens.matches(silo_tokens.decoded(token).secret, enrolment.token_hash)
    if not current or (wish is not None and enrolment.invited_again != wish):
        return None
    return Invited(name, command, token, enrolment.expires)


def _is_waiting(status: SiloStatus, now: datetime.datetime) -> bool:
    enrolment = status.enrolment
    if enrolment is None or enrolment.key_fingerprint is not None or enrolment.expires is None:
        return False
    return datetime.datetime.fromisoformat(enrolment.expires) > now


def _status(silo: Body) -> SiloStatus:
    return SiloStatus.model_validate(silo.get("status", {}))
