"""Keeps offers of shards and the silos' answers. Shards are offered before they are assigned as work."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedjobs_common import digests
from fedjobs_common.ids import Digest, SiloName
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_coordinator.aggregation.blob_store import StoredBlob
from fedjobs_coordinator.sessions.refusals import can_pass
from fedjobs_coordinator.sessions.untrusted_text import sanitize

MOST_OFFERS = 64
"""Most programs have few offers. A program that creates computations in each round has an unlimited number."""
OFFERED_AGAIN_S = 60.0
"""The time after which a silo gets an offer again that it refused for a cause that can pass."""
_LONGEST_S = 30 * 24 * 3600.0
"""The maximum time that a silo can make others wait for the decision of a person."""


@dataclass(frozen=True)
class Offered:
    """An offered shard.

    Attributes:
        message: The message for the silos.
        blob: The shard, if it is too large for the message.
    """

    message: pb.OfferedShard
    blob: StoredBlob | None = None

    @property
    def digest(self) -> Digest:
        """The digest of the shard."""
        return digests.named(self.message.shard.digest)

    @property
    def scope(self) -> Digest:
        """The shard together with what it reads. Silos may allow a shard on one dataset and not on another."""
        return Digest(self.message.scope) or self.digest


def scope_of(shard: Digest, reads: pb.OfferedShard) -> Digest:
    """Returns the scope of an offer.

    Args:
        shard: The digest of the shard.
        reads: The offer, of which what the shard reads counts.
    """
    named = [list(reads.datasets), reads.clients, [list(each.datasets) for each in reads.kept]]
    return digests.digest(json.dumps([shard, *named]).encode())


class Word(enum.Enum):
    APPROVED = "approved"
    AWAITING = "awaiting"
    """A person of the silo must decide first."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """A silo's answer to the offer of a shard.

    Attributes:
        word: The answer.
        rule: The rule of the silo's policy, unless the shard is approved.
        message: A message for people.
        until: When a waiting answer counts as refused, or when a silo is asked again that refused for a cause that can
            pass. By the monotonic clock, 0 for all others.
    """

    word: Word
    rule: str = ""
    message: str = ""
    until: float = 0.0


@dataclass(frozen=True)
class Standing:
    """The silos' answers to a shard. A silo in none of these sets has not answered."""

    consented: frozenset[SiloName] = frozenset()
    awaiting: frozenset[SiloName] = frozenset()
    refused: frozenset[SiloName] = frozenset()
    passed_over: frozenset[SiloName] = frozenset()
    """Silos that rounds do not wait for, because a round started without them. They may still consent."""


class Consents:
    """Keeps offers and answers. Used in the event loop only.

    Args:
        now: A monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._offers: dict[Digest, Offered] = {}
        self._answers: dict[Digest, dict[SiloName, Answer]] = {}
        self._passed_over: dict[Digest, set[SiloName]] = {}
        self._asked: set[SiloName] = set()
        self._by_doing: set[SiloName] = set()

    def joined(self, silo: SiloName, *, asked: bool) -> None:
        """Handles a new session. The silo gets offers again for shards that it did not approve before.

        Args:
            silo: The silo.
            asked: Whether the silo supports offers. If not, it consents by running its work.
        """
        (self._asked if asked else self._by_doing).add(silo)
        (self._by_doing if asked else self._asked).discard(silo)
        for answers in self._answers.values():
            if silo in answers and answers[silo].word is not Word.APPROVED:
                del answers[silo]

    def offer(self, offered: Offered) -> None:
        """Adds an offer for all silos. Drops the offer that was not added for the longest time if there are too many.

        So up to MOST_OFFERS offers that are added one after the other are there together.
        """
        self._offers[offered.scope] = self._offers.pop(offered.scope, offered)
        while len(self._offers) > MOST_OFFERS:
            oldest = next(iter(self._offers))
            del self._offers[oldest]
            self._answers.pop(oldest, None)
            self._passed_over.pop(oldest, None)

    def is_offered(self, scope: Digest) -> bool:
        """Returns whether there is an offer with this scope already."""
        return scope in self._offers

    def unanswered(self, silo: SiloName) -> list[Offered]:
        """Returns the offers that a silo has not answered."""
        if silo not in self._asked:
            return []
        return [o for scope, o in self._offers.items() if self._asks(self._answers.get(scope, {}).get(silo))]

    def blob(self, silo: SiloName, digest: bytes) -> StoredBlob | None:
        """Returns the blob of a shard that was offered to this silo."""
        if silo not in self._asked:
            return None
        return next((o.blob for o in self._offers.values() if o.message.shard.digest == digest), None)

    def answered(self, silo: SiloName, consent: pb.ShardConsent) -> Answer | None:
        """Records an answer. Returns None if the shard was not offered or the answer is not new."""
        scope, answer = Digest(consent.scope) or digests.named(consent.shard), self._answer(consent)
        if scope not in self._offers or answer is None:
            return None
        answers = self._answers.setdefault(scope, {})
        before = answers.get(silo)
        if before is not None and not before.until and answer.word is Word.AWAITING:
            return None  # a delayed message from before the person's decision
        answers[silo] = answer
        self._passed_over.get(scope, set()).discard(silo)
        return None if before and (before.word, before.message) == (answer.word, answer.message) else answer

    def pass_over(self, scope: Digest, silos: set[SiloName]) -> None:
        """Records that a round starts without these silos. The next rounds do not wait for their answers either."""
        self._passed_over.setdefault(scope, set()).update(silos)

    def standing_of_all(self, scopes: Sequence[Digest]) -> Standing:
        """Returns the silos' current answers to all offers of a plan. A silo consents to all of them, or it does not.

        Args:
            scopes: The scopes of at least one offer.
        """
        each = [self.standing(scope) for scope in scopes]
        refused = frozenset[SiloName]().union(*(s.refused for s in each))
        return Standing(
            consented=frozenset.intersection(*(s.consented for s in each)) - refused,
            awaiting=frozenset[SiloName]().union(*(s.awaiting for s in each)) - refused,
            refused=refused,
            passed_over=frozenset[SiloName]().union(*(s.passed_over for s in each)),
        )

    def standing(self, scope: Digest) -> Standing:
        """Returns the silos' current answers to the offer with this scope."""
        by_word: dict[Word, set[SiloName]] = {word: set() for word in Word}
        for silo, answer in self._answers.get(scope, {}).items():
            overdue = answer.word is Word.AWAITING and self._now() > answer.until
            if answer.word is not Word.REFUSED or not answer.until:  # a refusal that can pass is no answer yet
                by_word[Word.REFUSED if overdue else answer.word].add(silo)
        return Standing(
            consented=frozenset(by_word[Word.APPROVED] | self._by_doing),
            awaiting=frozenset(by_word[Word.AWAITING]),
            refused=frozenset(by_word[Word.REFUSED]),
            passed_over=frozenset(self._passed_over.get(scope, ())),
        )

    def _asks(self, answer: Answer | None) -> bool:
        """Returns whether a silo with this answer gets the offer."""
        return answer is None or (answer.word is Word.REFUSED and 0 < answer.until < self._now())

    def _answer(self, consent: pb.ShardConsent) -> Answer | None:
        if consent.HasField("approved"):
            return Answer(Word.APPROVED)
        if consent.HasField("refused"):
            rule, message = sanitize(consent.refused.rule), sanitize(consent.refused.message)
            return Answer(Word.REFUSED, rule, message, self._now() + OFFERED_AGAIN_S if can_pass(rule) else 0.0)
        if consent.HasField("awaiting"):
            waiting, left = consent.awaiting, consent.awaiting.seconds_left
            until = self._now() + (left if 0 <= left <= _LONGEST_S else _LONGEST_S)
            return Answer(Word.AWAITING, sanitize(waiting.rule), sanitize(waiting.message), until)
        return None
