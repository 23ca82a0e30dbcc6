"""Exclusions: silos that the federation suspended or removed. A running job continues without them."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError, code_of

from fedjobs_protocol.v1 import report_pb2 as pb

_CODES = frozenset({ErrorCode.SILO_SUSPENDED, ErrorCode.SILO_NOT_FOUND})


@dataclass(frozen=True)
class Exclusion:
    """An excluded silo and the reason.

    Attributes:
        silo: The name of the silo.
        code: SILO_SUSPENDED or SILO_NOT_FOUND.
        message: A message for people.
    """

    silo: str
    code: ErrorCode
    message: str

    def error(self) -> FedjobsError:
        """Returns the error for each call of the silo."""
        return FedjobsError(self.code, self.message, "Ask the people who run the federation.")

    def to_message(self) -> pb.Exclusion:
        return pb.Exclusion(silo=self.silo, code=self.code.label, message=self.message)

    @staticmethod
    def from_message(message: pb.Exclusion) -> Exclusion:
        """Converts a message from the wire. An unknown code of a later version becomes SILO_SUSPENDED."""
        code = code_of(message.code)
        return Exclusion(message.silo, code if code in _CODES else ErrorCode.SILO_SUSPENDED, message.message)
