"""Creates a silo's key, gets a certificate for it from the hub with the invitation's token, and renews the certificate.

The key is stored before the token is used. If the hub's response is lost, the same key can be used again. The token's
information about the federation is stored too, so the token is not needed after the enrolment. A new token means that
the silo was invited again. The silo then enrols again with the same key.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.models import Model
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.hub.silo_tokens import SiloToken
from fedjobs_protocol.identities import keys, renewals
from fedjobs_protocol.identities.identities import Identity
from pydantic import ValidationError

from fedjobs_agent.identity.identity_stores import IdentityStore

_LOG = structlog.get_logger()
_CERTIFICATE, _KEY, _TRUST, _FEDERATION = "tls.crt", "tls.key", "ca.crt", "federation.json"


class Federation(Model):
    """The federation that this silo is enrolled in."""

    address: str
    """The `host:port` of the front door."""
    front_door: str
    """The host name of the front door."""
    token_hash: str
    """The hash of the used token's secret."""


class Enrolment:
    """Gets and renews the identity of a silo.

    Args:
        silo: The silo's name.
        store: Stores the identity.
        token: Returns the current token as text, or None if there is none.
        dial_address: An address to connect to instead of the front door's.
        clock: Returns the time in UTC.
        token_place: The location of the token, for messages.
    """

    def __init__(
        self,
        silo: str,
        store: IdentityStore,
        token: Callable[[], str | None],
        dial_address: str | None = None,
        clock: renewals.Clock = renewals.now,
        token_place: str | None = None,
    ) -> None:
        self._silo = silo
        self._store = store
        self._token = token
        self._dial_address = dial_address
        self._clock = clock
        self._token_place = token_place or "its file"
        self._federation: Federation | None = None

    @property
    def link(self) -> HubLink:
        """The connection to the hub.

        Raises:
            FedjobsError: UNAVAILABLE if the silo is not enrolled yet.
        """
        if self._federation is None:
            raise FedjobsError(ErrorCode.UNAVAILABLE, "The silo is not enrolled yet.")
        return HubLink(self._dial_address or self._federation.address, self._federation.front_door)

    def obtain(self) -> Identity:
        """Returns the stored identity, or enrols if there is an unused token.

        Raises:
            FedjobsError: INVALID_TOKEN, UNAVAILABLE, or another error of the hub.
        """
        kept = dict(self._store.read())
        identity = _identity(kept)
        self._federation = _federation(kept) if identity else None
        try:
            if (token := self._unused_token()) is not None:
                return self._enrolled(token, kept.get(_KEY))
        except FedjobsError as error:
            if identity is None:
                raise
            _LOG.error(
                "cannot enrol with the new token; using the stored identity", code=error.code.label, error=error.public
            )
        if identity is not None:
            return identity
        raise FedjobsError(
            ErrorCode.INVALID_TOKEN,
            f"Silo {self._silo} is not enrolled, and there is no token of an invitation.",
            f"Put the token of the federation's invitation into {self._token_place}.",
        )

    def renew(self, identity: Identity) -> Identity:
        """Renews the identity and stores it, even if it has expired."""
        try:
            if (token := self._unused_token()) is not None:
                return self._enrolled(token, identity.key)
        except FedjobsError as error:
            _LOG.error(
                "cannot enrol with the new token; renewing the certificate without it",
                code=error.code.label,
                error=error.public,
            )
        renewed = self.link.renewed(identity, lambda enrolment: enrolment.renew_expired(identity), self._clock)
        assert self._federation is not None  # noqa: S101 (checked by `link`)
        self._keep(renewed, self._federation)
        return renewed

    def _enrolled(self, token: SiloToken, key: bytes | None) -> Identity:
        if key is None:
            key = keys.create()
            self._store.write({_KEY: key})
        link = HubLink(self._dial_address or token.address, token.front_door)
        with link.enrolment(token.trust.encode()) as enrolment:
            identity = enrolment.enrol(self._silo, token.secret, key)
        self._federation = Federation(
            address=token.address, front_door=token.front_door, token_hash=silo_tokens.hashed(token.secret)
        )
        self._keep(identity, self._federation)
        _LOG.info("enrolled", front_door=token.front_door, address=link.address, expires=identity.expires.isoformat())
        return identity

    def _keep(self, identity: Identity, federation: Federation) -> None:
        self._store.write(
            {
                _CERTIFICATE: identity.certificate,
                _KEY: identity.key,
                _TRUST: identity.trust,
                _FEDERATION: federation.model_dump_json(by_alias=True).encode(),
            }
        )

    def _unused_token(self) -> SiloToken | None:
        text = self._token()
        if text is None or not text.strip():
            return None
        token = silo_tokens.decoded(text)
        if self._federation is not None and silo_tokens.matches(token.secret, self._federation.token_hash):
            return None
        if token.silo != self._silo:
            raise FedjobsError(
                ErrorCode.INVALID_TOKEN,
                f"The token is for silo {token.silo}, but this is silo {self._silo}.",
                "Use the silo's name in the federation's invitation.",
            )
        return token


def _identity(kept: dict[str, bytes]) -> Identity | None:
    if not {_CERTIFICATE, _KEY, _TRUST, _FEDERATION} <= kept.keys():
        return None
    return Identity(kept[_CERTIFICATE], kept[_KEY], kept[_TRUST])


def _federation(kept: dict[str, bytes]) -> Federation | None:
    try:
        return Federation.model_validate_json(kept[_FEDERATION])
    except ValidationError as error:
        raise FedjobsError(
            ErrorCode.INVALID_CERTIFICATE,
            f"The stored {_FEDERATION} cannot be read: {error.error_count()} of its fields are invalid.",
            "Ask the federation to invite the silo again.",
        ) from error
