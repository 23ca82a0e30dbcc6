"""Silos that the federation has suspended or dropped: until they are back, a running job goes on without them."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError, code_of

from fedjobs_protocol.v1 import report_pb2 as pb

_CODES = frozenset({ErrorCode.SILO_SUSPENDED, ErrorCode.SILO_UNKNOWN})


@dataclass(frozen=True)
class Exclusion:
    """One silo, and why.

    Attributes:
        silo: Its name.
        code: SILO_SUSPENDED or SILO_UNKNOWN.
        message: For people.
    """

    silo: str
    code: ErrorCode
    message: str

    def error(self) -> FedjobsError:
        """What each call of the silo gets."""
        return FedjobsError(self.code, self.message, "Ask those who run the federation.")

    def to_message(self) -> pb.Exclusion:
        return pb.Exclusion(silo=self.silo, code=self.code.label, message=self.message)

    @staticmethod
    def from_message(message: pb.Exclusion) -> Exclusion:
        """Reads what came over the wire; a code of a later version is a suspension."""
        code = code_of(message.code)
        return Exclusion(message.silo, code if code in _CODES else ErrorCode.SILO_SUSPENDED, message.message)
