"""A silo's own identity: its key is made here, certified by the hub for the token of its invitation, and renewed.

The key is kept before the token is used, so that an answer that is lost costs nothing: the same key may ask again. What
the token says about the federation is kept too; once enrolled, the token is of no use and may be gone. Another token
than the one that was used means that the silo was invited again, and it enrols again, with the same key.
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
    """What is known of the federation that this silo is enrolled in."""

    address: str
    """`host:port` of the front door."""
    front_door: str
    """Its name."""
    token_hash: str
    """Of the secret of the token that was used."""


class Enrolment:
    """Gets and renews the identity of a silo.

    Args:
        silo: Its name.
        store: Where the identity is kept.
        token: The token as it is now, as text; None: there is none.
        dial_address: Dialled instead of the front door's address.
        clock: UTC.
        token_place: Where the token is looked for, for messages.
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
        self._token_place = token_place or "its place"
        self._federation: Federation | None = None

    @property
    def link(self) -> HubLink:
        """The way to the hub.

        Raises:
            FedjobsError: UNAVAILABLE: nothing was obtained yet.
        """
        if self._federation is None:
            raise FedjobsError(ErrorCode.UNAVAILABLE, "The silo is not enrolled yet.")
        return HubLink(self._dial_address or self._federation.address, self._federation.front_door)

    def obtain(self) -> Identity:
        """The identity that was kept, or a new one where there is a token that was not used yet.

        Raises:
            FedjobsError: TOKEN_REFUSED; what else the hub says; UNAVAILABLE.
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
            _LOG.error("the new token is of no use; going on as before", code=error.code.label, error=error.public)
        if identity is not None:
            return identity
        raise FedjobsError(
            ErrorCode.TOKEN_REFUSED,
            f"Silo {self._silo} is not enrolled, and there is no token of an invitation.",
            f"Put the token that the federation sent into {self._token_place}.",
        )

    def renew(self, identity: Identity) -> Identity:
        """The next identity, kept; also after the last one has expired."""
        try:
            if (token := self._unused_token()) is not None:
                return self._enrolled(token, identity.key)
        except FedjobsError as error:
            _LOG.error("the new token is of no use; renewing without it", code=error.code.label, error=error.public)
        renewed = self.link.renewed(identity, lambda enrolment: enrolment.renew_expired(identity), self._clock)
        assert self._federation is not None  # noqa: S101 (link looks)
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
                ErrorCode.TOKEN_REFUSED,
                f"The token is silo {token.silo}'s, and this is silo {self._silo}.",
                "Name the silo as the federation's invitation does.",
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
            ErrorCode.WRONG_CERTIFICATE,
            f"What was kept of the federation cannot be read: {error.error_count()} of its fields are not as expected.",
            "Let the federation invite the silo again.",
        ) from error
