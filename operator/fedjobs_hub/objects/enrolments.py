"""Pure functions that decide from a Silo who may get a certificate.

An unauthenticated caller learns nothing: an unknown silo, a silo without an invitation and a wrong secret lead to the
same error. Only a caller with the secret or the key gets a more specific error.
"""

from __future__ import annotations

import datetime

from fedjobs_api import times
from fedjobs_api.times import Time
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens

from fedjobs_hub.objects.silos import KnownSilo

_NO_TOKEN = "0" * 64  # not the hash of any token
_INVITE_AGAIN = "Ask the federation to invite the silo again, and install the silo with the new token."


def check_token(silo: KnownSilo | None, secret: str, key: str, now: Time) -> KnownSilo:
    """Returns the silo if the key may use its token.

    Args:
        silo: The silo with the name in the request, or None.
        secret: The secret of the token.
        key: The fingerprint of the caller's key.
        now: The current time.

    Raises:
        FedjobsError: INVALID_TOKEN, SILO_SUSPENDED.
    """
    written = silo.enrolment.token_hash if silo is not None and not silo.needs_invitation else None
    right = silo_tokens.matches(secret, written or _NO_TOKEN)
    if silo is None or not right:
        message = "The token does not belong to an invited silo with this name."
        raise FedjobsError(ErrorCode.INVALID_TOKEN, message, _INVITE_AGAIN)
    expires = silo.enrolment.token_expiration_time
    if expires is None or times.read(expires) < now:
        raise FedjobsError(
            ErrorCode.INVALID_TOKEN, f"The token of silo {silo.name} expired at {expires}.", _INVITE_AGAIN
        )
    if silo.key not in (None, key):
        message = f"The token of silo {silo.name} has been used with another key."
        raise FedjobsError(
            ErrorCode.INVALID_TOKEN, message, f"If you did not use it, tell the federation. {_INVITE_AGAIN}"
        )
    _check_not_suspended(silo)
    return silo


def check_agent(silo: KnownSilo | None, name: str, key: str) -> KnownSilo:
    """Returns the silo if its agent has this key. The certificate alone is not enough, because a silo can be removed.

    Raises:
        FedjobsError: SILO_NOT_FOUND, INVALID_CERTIFICATE, SILO_SUSPENDED.
    """
    known = check_member(silo, name)
    if known.key != key:
        message = f"The certificate of silo {name} was revoked, because the silo was invited or enrolled again."
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, _INVITE_AGAIN)
    return known


def check_member(silo: KnownSilo | None, name: str) -> KnownSilo:
    """Returns the silo if it is a member of the federation and not suspended.

    Raises:
        FedjobsError: SILO_NOT_FOUND, SILO_SUSPENDED.
    """
    if silo is None:
        message = f"The federation has no silo {name}. It may have been removed."
        raise FedjobsError(ErrorCode.SILO_NOT_FOUND, message, _INVITE_AGAIN)
    _check_not_suspended(silo)
    return silo


def check_expired(silo: KnownSilo | None, key: str, now: Time, grace: datetime.timedelta) -> KnownSilo:
    """Returns the silo if its key may get a new certificate although the last one has expired.

    The expiration time is taken from the Silo's status, not from the caller's certificate.

    Raises:
        FedjobsError: INVALID_CERTIFICATE, SILO_SUSPENDED.
    """
    ended = None if silo is None else silo.status.certificate_expiration_time
    if silo is None or ended is None or silo.key is None or silo.key != key:
        message = "The certificate does not belong to a silo that is enrolled with this key."
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, _INVITE_AGAIN)
    _check_not_suspended(silo)
    if times.read(ended) + grace < now:
        message = f"The certificate of silo {silo.name} expired at {ended}, and the grace period for renewal is over."
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, _INVITE_AGAIN)
    return silo


def _check_not_suspended(silo: KnownSilo) -> None:
    if silo.suspended:
        message = f"The silo {silo.name} is suspended by the federation."
        raise FedjobsError(ErrorCode.SILO_SUSPENDED, message, "Ask the federation to resume the silo.")
