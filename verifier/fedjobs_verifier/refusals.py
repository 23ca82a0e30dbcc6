"""How the verifier refuses: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2

_LONGEST = 80  # characters of a text from a shard in a message


class Refusal(Exception):  # noqa: N818 (not an error of the verifier)
    """Something in a shard is not in the grammar. Callers add the place (see `within`).

    Args:
        what: What is wrong, as the end of a sentence.
        remedy: What to do about it, as an imperative sentence.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.place: list[str] = []

    def at(self, place: str) -> Refusal:
        """Adds a place, and returns the refusal."""
        self.place.insert(0, place)
        return self

    def error(self) -> FedjobsError:
        """Returns the error for people."""
        return FedjobsError(
            ErrorCode.SHARD_REFUSED, f"The shard is refused: {', '.join([*self.place, self.what])}.", self.remedy
        )


class OperationRefusal(Refusal):
    """An operation is not allowed."""


class OperationRefusedError(FedjobsError):
    """A shard uses an operation that is neither on the allow-list nor allowed by the silo's file.

    Attributes:
        shard: The shard, which is not verified.
        operations: All operations of the shard, including the refused ones.
    """

    def __init__(self, refused: Refusal, shard: shard_pb2.Shard, operations: frozenset[str]) -> None:
        error = refused.error()
        super().__init__(error.code, error.message, error.remedy)
        self.shard = shard
        self.operations = operations


@contextmanager
def within(place: str) -> Iterator[None]:
    """Adds the place to a refusal that is raised in the context."""
    try:
        yield
    except Refusal as refusal:
        raise refusal.at(place) from None


def shown(text: object) -> str:
    """Returns a text from a shard for a message: short, on one line, without control characters."""
    if isinstance(text, bytes):
        text = text[: _LONGEST + 1].decode("latin-1")
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in str(text)[: _LONGEST + 1])
    return f"'{plain[:_LONGEST]}...'" if len(plain) > _LONGEST else f"'{plain}'"
