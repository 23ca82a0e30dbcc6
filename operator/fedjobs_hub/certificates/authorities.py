"""The issuers of a federation's certificates, in generations. Nothing here reads or writes.

A generation has two issuers: one for silos (and the operator), whose certificates are for clients, and one for servers:
the hub and the coordinators. A new generation is trusted at once and issues only after a time of overlap, in which
everybody has got the new trust with a renewal. An old one is trusted until the last certificate that it issued is over.
"""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cryptography import x509
from fedjobs_operator.times import Time
from fedjobs_protocol.identities.certificates import Issuer, Purpose

from fedjobs_hub.settings import Lifetimes

_STAMP = "%Y%m%dT%H%M%SZ"
_ENTRY = re.compile(r"(?P<stamp>\d{8}T\d{6}Z)\.(?P<who>silos|servers)\.(?P<what>crt|key)")
_PURPOSES = {"silos": Purpose.CLIENT, "servers": Purpose.SERVER}

MakeIssuer = Callable[[str, Purpose], Issuer]
"""Makes an issuer of that name."""


@dataclass(frozen=True)
class Generation:
    """Two issuers, and from when on they issue."""

    issues_from: Time
    silos: Issuer
    servers: Issuer


@dataclass(frozen=True)
class Authority:
    """All generations that count, the oldest first; there is one at least.

    Attributes:
        generations: By when they issue.
        rotated: The last wish for a new generation that was granted.
    """

    generations: tuple[Generation, ...]
    rotated: str = ""

    def issuing(self, now: Time) -> Generation:
        """The one that issues now."""
        ready = [each for each in self.generations if each.issues_from <= now]
        return (ready or self.generations)[-1 if ready else 0]

    def silos_trust(self) -> bytes:
        """PEM: the issuers of silos' certificates."""
        return b"".join(each.silos.certificate for each in self.generations)

    def servers_trust(self) -> bytes:
        """PEM: the issuers of the hub's and the coordinators' certificates."""
        return b"".join(each.servers.certificate for each in self.generations)


def first(now: Time, make: MakeIssuer) -> Authority:
    """The authority of a new federation."""
    return Authority((_generation(now, now, make),))


def advanced(authority: Authority, asked: str, now: Time, lifetimes: Lifetimes, make: MakeIssuer) -> Authority:
    """The authority as it should be now: with a new generation where one is due, without those that are over.

    Args:
        authority: As it is.
        asked: The wish for a new generation; any value that has not been granted yet is one.
        now: The time.
        lifetimes: Of certificates.
        make: Makes an issuer.
    """
    after = replace(authority, generations=_still_trusted(authority.generations, now, lifetimes.longest))
    newest = after.generations[-1]
    if newest.issues_from > now:
        return after  # one is on its way; what is asked for meanwhile waits for its turn
    if not (asked and asked != after.rotated) and not _is_half_over(newest, now):
        return after
    added = _generation(now, now + lifetimes.overlap, make)
    return replace(after, generations=(*after.generations, added), rotated=asked or after.rotated)


def written(authority: Authority) -> dict[str, str]:
    """The data of a Secret."""
    entries: dict[str, bytes] = {}
    for each in authority.generations:
        stamp = each.issues_from.strftime(_STAMP)
        for who, issuer in (("silos", each.silos), ("servers", each.servers)):
            entries |= {f"{stamp}.{who}.crt": issuer.certificate, f"{stamp}.{who}.key": issuer.key}
    return {name: base64.b64encode(content).decode() for name, content in entries.items()}


def read(data: Mapping[str, str], rotated: str) -> Authority | None:
    """Reads what `written` wrote; None where there is no whole generation. Other entries are left alone."""
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
    stamp = now.strftime(_STAMP)  # names differ, so that nobody takes the issuer of one generation for another's
    issuers = (make(f"fedjobs {who} {stamp}", purpose) for who, purpose in _PURPOSES.items())
    return Generation(issues_from.replace(microsecond=0), *issuers)


def _still_trusted(
    generations: tuple[Generation, ...], now: Time, longest: datetime.timedelta
) -> tuple[Generation, ...]:
    """Without those whose successor has issued for so long that no certificate of theirs is left."""
    successors = generations[1:]
    over = sum(each.issues_from + longest < now for each in successors)
    return generations[over:]


def _is_half_over(generation: Generation, now: Time) -> bool:
    certificates = [x509.load_pem_x509_certificate(each.certificate) for each in (generation.silos, generation.servers)]
    return any(
        each.not_valid_before_utc + (each.not_valid_after_utc - each.not_valid_before_utc) / 2 < now
        for each in certificates
    )
