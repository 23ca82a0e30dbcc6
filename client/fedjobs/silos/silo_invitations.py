"""Invites a silo: creates its Silo object or requests a new token, and waits for the hub's invitation."""

from __future__ import annotations

import base64
import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fedjobs_api.names import INVITE_AGAIN, silo_invitation
from fedjobs_api.silos import SiloStatus
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens

from fedjobs.silos.silo_objects import Body, SiloObjects

_PATIENCE_S, _LOOK_EVERY_S = 60.0, 0.5


@dataclass(frozen=True)
class Invited:
    """An invitation to send to the silo's administrator.

    Attributes:
        silo: The silo's name.
        command: The command that installs the silo.
        token: The token in the command.
        expires: The time when the token expires.
    """

    silo: str
    command: str
    token: str
    expires: str


def labels(written: Iterable[str]) -> dict[str, str]:
    """Parses labels of the form `key=value`.

    Raises:
        FedjobsError: INVALID_JOB if a label does not have this form.
    """
    found: dict[str, str] = {}
    for text in written:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise FedjobsError(
                ErrorCode.INVALID_JOB,
                f"The label {text!r} is not of the form KEY=VALUE.",
                "Write for example --label network=eu.",
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
        silos: The silos of the federation.
        name: The silo's name.
        labels: The silo's labels.
        hub_namespace: The namespace of the hub.
        again: Whether to issue a new token for a silo that has enrolled already. This revokes the silo's key.
        now: Returns the time, which identifies the request for a new token.
        sleep: Sleeps for a number of seconds.

    Raises:
        FedjobsError: INVALID_JOB if the silo has enrolled already or the API server rejects it, UNAVAILABLE if the hub
            does not answer.
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
            remedy = f"Issue a new token with: fedjobs silo invite {name} --again"
            raise FedjobsError(ErrorCode.INVALID_JOB, message, remedy)
        silo = silos.change(silo, {"metadata": metadata}) if metadata else silo
    wish = silo["metadata"].get("annotations", {}).get(INVITE_AGAIN)
    for _ in range(int(_PATIENCE_S / _LOOK_EVERY_S)):
        invited = _invited(silos, name, hub_namespace, wish)
        if invited is not None:
            return invited
        sleep(_LOOK_EVERY_S)
    raise FedjobsError(
        ErrorCode.UNAVAILABLE,
        f"The silo {name} exists, but the hub in namespace {hub_namespace} has not issued a token for it.",
        "Check that a hub runs there and read its log, or choose its namespace with --hub-namespace.",
    )


def _invited(silos: SiloObjects, name: str, hub_namespace: str, wish: str | None) -> Invited | None:
    """Returns the invitation, or None if the hub has not issued it yet."""
    enrolment = _status(silos.get(name)).enrolment
    data = silos.secret(hub_namespace, silo_invitation(name))
    if enrolment is None or enrolment.token_hash is None or enrolment.token_expiration_time is None or data is None:
        return None
    token, command = (base64.b64decode(data[key]).decode() for key in ("token", "command"))
    current = silo_tokens.matches(silo_tokens.decoded(token).secret, enrolment.token_hash)
    if not current or (wish is not None and enrolment.last_handled_invite_again != wish):
        return None
    return Invited(name, command, token, enrolment.token_expiration_time)


def _is_waiting(status: SiloStatus, now: datetime.datetime) -> bool:
    enrolment = status.enrolment
    if enrolment is None or enrolment.key_fingerprint is not None or enrolment.token_expiration_time is None:
        return False
    return datetime.datetime.fromisoformat(enrolment.token_expiration_time) > now


def _status(silo: Body) -> SiloStatus:
    return SiloStatus.model_validate(silo.get("status", {}))
