"""What silos say to the shards that they are offered, before any is given out as work."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from fedjobs_common import digests
from fedjobs_common.ids import Digest, SiloName
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_coordinator.aggregation.blob_store import StoredBlob
from fedjobs_coordinator.sessions.untrusted_text import sanitize

_MOST_OFFERS = 64  # a program has a handful; one that makes new computations in each round has no end of them
_LONGEST_S = 30 * 24 * 3600.0
"""That a silo can make others wait for its people."""


@dataclass(frozen=True)
class Offered:
    """A shard that silos are asked about.

    Attributes:
        message: What they are told.
        blob: The shard, where it is too large to be told.
    """

    message: pb.OfferedShard
    blob: StoredBlob | None = None

    @property
    def digest(self) -> Digest:
        return digests.named(self.message.shard.digest)


class Word(enum.Enum):
    APPROVED = "approved"
    AWAITING = "awaiting"
    """A person of the silo has to look at it first."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """One silo's word about one shard.

    Attributes:
        word: The word.
        rule: Of the silo's policy, unless it is approved.
        message: For a person.
        until: When it is as good as refused, by the clock that only goes forward.
    """

    word: Word
    rule: str = ""
    message: str = ""
    until: float = 0.0


@dataclass(frozen=True)
class Standing:
    """Where the silos stand on one shard; who is in none of these has not answered."""

    consented: frozenset[SiloName] = frozenset()
    awaiting: frozenset[SiloName] = frozenset()
    refused: frozenset[SiloName] = frozenset()
    passed_over: frozenset[SiloName] = frozenset()
    """Not waited for any more, since a round began without them; they may still consent."""


class Consents:
    """Keeps offers and answers. Called in the event loop alone.

    Args:
        now: A clock that only goes forward, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._offers: dict[Digest, Offered] = {}
        self._answers: dict[Digest, dict[SiloName, Answer]] = {}
        self._passed_over: dict[Digest, set[SiloName]] = {}
        self._asked: set[SiloName] = set()
        self._by_doing: set[SiloName] = set()

    def joined(self, silo: SiloName, *, asked: bool) -> None:
        """A session began: what the silo did not approve before, it is asked about anew.

        Args:
            silo: Which.
            asked: Whether it can be asked; else it consents by doing what it is given.
        """
        (self._asked if asked else self._by_doing).add(silo)
        (self._by_doing if asked else self._asked).discard(silo)
        for answers in self._answers.values():
            if silo in answers and answers[silo].word is not Word.APPROVED:
                del answers[silo]

    def offer(self, offered: Offered) -> None:
        """Silos are asked about this shard from now on."""
        if offered.digest not in self._offers:
            while len(self._offers) >= _MOST_OFFERS:
                oldest = next(iter(self._offers))
                del self._offers[oldest]
                self._answers.pop(oldest, None)
                self._passed_over.pop(oldest, None)
            self._offers[offered.digest] = offered

    def is_offered(self, shard: Digest) -> bool:
        """Whether silos are asked about it already."""
        return shard in self._offers

    def unanswered(self, silo: SiloName) -> list[Offered]:
        """What a silo is still to be asked about."""
        if silo not in self._asked:
            return []
        return [o for digest, o in self._offers.items() if silo not in self._answers.get(digest, {})]

    def blob(self, silo: SiloName, digest: bytes) -> StoredBlob | None:
        """A shard that this silo was offered."""
        offered = self._offers.get(digests.named(digest)) if silo in self._asked else None
        return offered.blob if offered else None

    def answered(self, silo: SiloName, consent: pb.ShardConsent) -> Answer | None:
        """Takes an answer over; None where nothing was asked, or nothing new was said."""
        digest, answer = digests.named(consent.shard), self._answer(consent)
        if digest not in self._offers or answer is None:
            return None
        answers = self._answers.setdefault(digest, {})
        before = answers.get(silo)
        if before is not None and before.word is not Word.AWAITING and answer.word is Word.AWAITING:
            return None  # it was on its way when a person spoke; a new session begins without answers but approvals
        answers[silo] = answer
        self._passed_over.get(digest, set()).discard(silo)
        return None if before and (before.word, before.message) == (answer.word, answer.message) else answer

    def pass_over(self, shard: Digest, silos: set[SiloName]) -> None:
        """A round begins without these: the next ones need not wait for their answers either."""
        self._passed_over.setdefault(shard, set()).update(silos)

    def standing(self, shard: Digest) -> Standing:
        """Where the silos stand on a shard now."""
        by_word: dict[Word, set[SiloName]] = {word: set() for word in Word}
        for silo, answer in self._answers.get(shard, {}).items():
            overdue = answer.word is Word.AWAITING and self._now() > answer.until
            by_word[Word.REFUSED if overdue else answer.word].add(silo)
        return Standing(
            consented=frozenset(by_word[Word.APPROVED] | self._by_doing),
            awaiting=frozenset(by_word[Word.AWAITING]),
            refused=frozenset(by_word[Word.REFUSED]),
            passed_over=frozenset(self._passed_over.get(shard, ())),
        )

    def _answer(self, consent: pb.ShardConsent) -> Answer | None:
        if consent.HasField("approved"):
            return Answer(Word.APPROVED)
        if consent.HasField("refused"):
            return Answer(Word.REFUSED, sanitize(consent.refused.rule), sanitize(consent.refused.message))
        if consent.HasField("awaiting"):
            waiting, left = consent.awaiting, consent.awaiting.seconds_left
            until = self._now() + (left if 0 <= left <= _LONGEST_S else _LONGEST_S)
            return Answer(Word.AWAITING, sanitize(waiting.rule), sanitize(waiting.message), until)
        return None
