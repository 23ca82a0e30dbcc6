"""Who may have a certificate, decided from a Silo alone. Nothing here reads, writes or signs.

Who has shown nothing yet is told nothing either: an unknown silo, one without an invitation and a wrong secret are the
same refusal. Only who has the secret, or the key, hears more.
"""

from __future__ import annotations

import datetime

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator import times
from fedjobs_operator.times import Time
from fedjobs_protocol.hub import silo_tokens

from fedjobs_hub.objects.silos import KnownSilo

_NO_TOKEN = "0" * 64  # nobody's hash
_INVITE_AGAIN = "Ask the federation to invite the silo again, and install it with the new token."


def check_token(silo: KnownSilo | None, secret: str, key: str, now: Time) -> KnownSilo:
    """The silo, whose token this key may use.

    Args:
        silo: Of the name that the caller gives; None: there is none.
        secret: Of the token.
        key: Fingerprint of the caller's key.
        now: The time.

    Raises:
        FedjobsError: TOKEN_REFUSED, SILO_SUSPENDED.
    """
    written = silo.enrolment.token_hash if silo is not None and not silo.needs_invitation else None
    right = silo_tokens.matches(secret, written or _NO_TOKEN)
    if silo is None or not right:
        message = "The token is none of a silo of this name that is invited."
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, message, _INVITE_AGAIN)
    expires = silo.enrolment.expires
    if expires is None or times.read(expires) < now:
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, f"The token of silo {silo.name} ended at {expires}.", _INVITE_AGAIN)
    if silo.key not in (None, key):
        message = f"The token of silo {silo.name} has been used with another key."
        raise FedjobsError(
            ErrorCode.TOKEN_REFUSED, message, f"If that was not you, tell the federation. {_INVITE_AGAIN}"
        )
    _check_not_suspended(silo)
    return silo


def check_agent(silo: KnownSilo | None, name: str, key: str) -> KnownSilo:
    """The silo, whose agent has this key: its certificate is no proof by itself, since a silo may be dropped.

    Raises:
        FedjobsError: SILO_UNKNOWN, WRONG_CERTIFICATE, SILO_SUSPENDED.
    """
    known = check_member(silo, name)
    if known.key != key:
        message = f"The certificate of silo {name} does not count any more: it was invited again, or enrolled anew."
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, message, _INVITE_AGAIN)
    return known


def check_member(silo: KnownSilo | None, name: str) -> KnownSilo:
    """The silo, whoever speaks for it.

    Raises:
        FedjobsError: SILO_UNKNOWN, SILO_SUSPENDED.
    """
    if silo is None:
        message = f"The federation has no silo {name} any more."
        raise FedjobsError(ErrorCode.SILO_UNKNOWN, message, _INVITE_AGAIN)
    _check_not_suspended(silo)
    return silo


def check_expired(silo: KnownSilo | None, key: str, now: Time, grace: datetime.timedelta) -> KnownSilo:
    """The silo, whose key may have a new certificate though the last one has expired.

    When that was is taken from what the hub wrote down, not from the certificate that the caller shows.

    Raises:
        FedjobsError: WRONG_CERTIFICATE, SILO_SUSPENDED.
    """
    ended = None if silo is None else silo.status.certificate_expires
    if silo is None or ended is None or silo.key is None or silo.key != key:
        message = "The certificate is none of a silo that is enrolled with this key."
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, message, _INVITE_AGAIN)
    _check_not_suspended(silo)
    if times.read(ended) + grace < now:
        message = f"The certificate of silo {silo.name} ended at {ended}, longer ago than the time of grace."
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, message, _INVITE_AGAIN)
    return silo


def _check_not_suspended(silo: KnownSilo) -> None:
    if silo.suspended:
        message = f"The silo {silo.name} is suspended by the federation."
        raise FedjobsError(ErrorCode.SILO_SUSPENDED, message, "Ask the federation why; it can be resumed.")
