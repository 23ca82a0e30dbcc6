"""Pure functions for the generations of issuers of a federation's certificates.

A generation has two issuers: one for client certificates, of silos and the operator, and one for server certificates,
of the hub and the coordinators. A new generation is trusted immediately. It issues certificates after an overlap, in
which all clients and servers have renewed their certificates and received the new trust. An old generation is trusted
until the last certificate that it issued has expired.
"""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cryptography import x509
from fedjobs_api.times import Time
from fedjobs_protocol.identities.certificates import Issuer, Purpose

from fedjobs_hub.settings import Lifetimes

_STAMP = "%Y%m%dT%H%M%SZ"
_ENTRY = re.compile(r"(?P<stamp>\d{8}T\d{6}Z)\.(?P<who>silos|servers)\.(?P<what>crt|key)")
_PURPOSES = {"silos": Purpose.CLIENT, "servers": Purpose.SERVER}

MakeIssuer = Callable[[str, Purpose], Issuer]
"""Creates an issuer with this name."""


@dataclass(frozen=True)
class Generation:
    """Two issuers, and the time from which they issue certificates."""

    issues_from: Time
    silos: Issuer
    servers: Issuer


@dataclass(frozen=True)
class Authority:
    """All trusted generations, oldest first. There is at least one.

    Attributes:
        generations: The generations, sorted by the time from which they issue.
        rotated: The value of the last rotation request that was carried out.
    """

    generations: tuple[Generation, ...]
    rotated: str = ""

    def issuing(self, now: Time) -> Generation:
        """Returns the generation that issues certificates now."""
        ready = [each for each in self.generations if each.issues_from <= now]
        return (ready or self.generations)[-1 if ready else 0]

    def silos_trust(self) -> bytes:
        """Returns the issuers of client certificates, in PEM."""
        return b"".join(each.silos.certificate for each in self.generations)

    def servers_trust(self) -> bytes:
        """Returns the issuers of server certificates, in PEM."""
        return b"".join(each.servers.certificate for each in self.generations)


def first(now: Time, make: MakeIssuer) -> Authority:
    """Returns the authority of a new federation."""
    return Authority((_generation(now, now, make),))


def advanced(authority: Authority, asked: str, now: Time, lifetimes: Lifetimes, make: MakeIssuer) -> Authority:
    """Adds a new generation if one is due, and removes generations that are no longer trusted.

    Args:
        authority: The current authority.
        asked: The rotation request. A value that differs from the last one requests a new generation.
        now: The current time.
        lifetimes: The lifetimes of certificates.
        make: Creates an issuer.
    """
    after = replace(authority, generations=_still_trusted(authority.generations, now, lifetimes.longest))
    newest = after.generations[-1]
    if newest.issues_from > now:
        return after  # a new generation waits to issue; a further request must wait
    if not (asked and asked != after.rotated) and not _is_half_over(newest, now):
        return after
    added = _generation(now, now + lifetimes.overlap, make)
    return replace(after, generations=(*after.generations, added), rotated=asked or after.rotated)


def written(authority: Authority) -> dict[str, str]:
    """Returns the authority as the data of a Secret."""
    entries: dict[str, bytes] = {}
    for each in authority.generations:
        stamp = each.issues_from.strftime(_STAMP)
        for who, issuer in (("silos", each.silos), ("servers", each.servers)):
            entries |= {f"{stamp}.{who}.crt": issuer.certificate, f"{stamp}.{who}.key": issuer.key}
    return {name: base64.b64encode(content).decode() for name, content in entries.items()}


def read(data: Mapping[str, str], rotated: str) -> Authority | None:
    """Reads the data of a Secret. Ignores other entries. Returns None if there is no complete generation."""
    found: dict[str, dict[str, bytes]] = {}
    for name, content in data.items():
        if match := _ENTRY.fullmatch(name):
            found.setdefault(match["stamp"], {})[f"{match['who']}.{match['what']}"] = base64.b64decode(content)
    whole = {stamp: parts for stamp, parts in sorted(found.items()) if len(parts) == 2 * len(_PURPOSES)}
    generations = tuple(
        Generation(
            datetime.datetime.strptime(stamp, _STAMP).replace(tzinfo=datetime.UTC),
            *(Issuer(parts[f"{who}.crt"], parts[f"{who}.key"], purpose) for who, purpose in _PURPOSES.items()),
        )
        for stamp, parts in whole.items()
    )
    return Authority(generations, rotated) if generations else None


def _generation(now: Time, issues_from: Time, make: MakeIssuer) -> Generation:
    stamp = now.strftime(_STAMP)  # unique names distinguish the issuers of different generations
    issuers = (make(f"fedjobs {who} {stamp}", purpose) for who, purpose in _PURPOSES.items())
    return Generation(issues_from.replace(microsecond=0), *issuers)


def _still_trusted(
    generations: tuple[Generation, ...], now: Time, longest: datetime.timedelta
) -> tuple[Generation, ...]:
    """Removes the generations whose certificates have all expired."""
    successors = generations[1:]
    over = sum(each.issues_from + longest < now for each in successors)
    return generations[over:]


def _is_half_over(generation: Generation, now: Time) -> bool:
    certificates = [x509.load_pem_x509_certificate(each.certificate) for each in (generation.silos, generation.servers)]
    return any(
        each.not_valid_before_utc + (each.not_valid_after_utc - each.not_valid_before_utc) / 2 < now
        for each in certificates
    )
