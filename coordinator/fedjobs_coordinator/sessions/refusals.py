"""Decides which failures and refusals of silos can pass, and when a silo is asked again. Time is a parameter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from fedjobs_common.errors import ErrorCode, code_of
from fedjobs_common.ids import Digest, SiloName

from fedjobs_coordinator.aggregation.outcomes import Failure, Retry

FIRST_REST_S = 2.0
LONGEST_REST_S = 600.0
MOST_RUNS = 3
"""How often a silo whose runner died is asked again in one invocation, because the computation may be the cause."""
MOST_SHARDS = 256
"""Shards whose refusals are kept. A program that creates computations in each round has an unlimited number."""
NO_CLIENTS = "NoClients"
"""The reason of a silo that answered and has no clients for the computation."""

Entry = TypeVar("Entry")
_PASSING_RULES = frozenset({"policy.limits.uploadBytesPerDay", "policy.limits.jobsPerDay"})
"""The rules of policies that count per day. All other rules give the same answer again."""
_NEVER = frozenset({ErrorCode.DATA_MALFORMED, ErrorCode.SCHEMA_MISMATCH, ErrorCode.SHARD_REFUSED})
"""The silo's data or its verifier do not fit the shard. Its worker starts anew when the data change."""
_PASSING = frozenset({ErrorCode.DATA_NOT_FOUND})
"""Codes without a retry in the protocol, whose cause can pass: data that are not mounted."""


def retry_of_rule(rule: str) -> Retry:
    """Returns when to ask again a silo that refused by a rule of its policy."""
    return Retry.LATER if rule in _PASSING_RULES else Retry.NEVER


def retry_of_code(label: str) -> Retry:
    """Returns when to ask again a silo whose work failed with an error code."""
    code = code_of(label)
    if code in _NEVER:
        return Retry.NEVER
    return Retry.LATER if code.retryable or code in _PASSING else Retry.OTHER_INPUTS


def can_pass(reason: str) -> bool:
    """Returns whether the cause of a refused offer can pass. The reason is a rule of the policy or an error code."""
    return Retry.LATER in (retry_of_rule(reason), retry_of_code(reason))


@dataclass(frozen=True)
class _Rest:
    """A silo that is not asked until a time. `rests` counts its failures in a row."""

    until: float
    rests: int
    failure: Failure


@dataclass
class Refusals:
    """Keeps the silos that an invocation cannot have, for good or for a while.

    A silo that does not run one shard of a plan cannot take part in any stage of its invocations.
    """

    _final: dict[Digest, dict[SiloName, Failure]] = field(default_factory=dict)
    _resting: dict[Digest, dict[SiloName, _Rest]] = field(default_factory=dict)
    _invocation: str = ""
    """The invocation that the following two belong to. Invocations run one at a time."""
    _unfit: dict[SiloName, Failure] = field(default_factory=dict)
    _runs: dict[SiloName, int] = field(default_factory=dict)

    def add(self, invocation: str, shard: Digest, silo: SiloName, failure: Failure, now: float) -> Failure:
        """Records a failure or a refusal of work, and returns it with the decision when the silo is asked again."""
        self._turn_to(invocation)
        failure = self._bounded(silo, failure)
        if failure.retry is Retry.NEVER:
            _of(self._final, shard)[silo] = failure
        elif failure.retry is Retry.OTHER_INPUTS:
            self._unfit[silo] = failure
        else:
            of_shard = _of(self._resting, shard)
            # A silo that lost what it kept can run the first stage at once. If it loses it each time, it rests, too.
            first = 0 if _lost_kept_values(failure) else 1
            rests = of_shard[silo].rests + 1 if silo in of_shard else first
            seconds = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(rests - 1, 32)) if rests else 0.0
            of_shard[silo] = _Rest(now + seconds, rests, failure)
        return failure

    def worked(self, shard: Digest, silo: SiloName) -> None:
        """Records that a silo ran the shard, so that its next rest is short again."""
        self._resting.get(shard, {}).pop(silo, None)

    def joined(self, silo: SiloName) -> None:
        """Records a new session of a silo. It may have another policy or other data, so it is asked again at once.

        But a new session does not end the rest of a silo that loses kept values, because it is what loses them.
        """
        for refused in self._final.values():
            refused.pop(silo, None)
        for resting in self._resting.values():
            if silo in resting and not _lost_kept_values(resting[silo].failure):
                del resting[silo]

    def refused(self, invocation: str, shards: tuple[Digest, ...]) -> dict[SiloName, Failure]:
        """Returns the silos that cannot take part in this invocation any more."""
        found: dict[SiloName, Failure] = {}
        for shard in shards:
            found |= self._final.get(shard, {})
        return found | (self._unfit if self._invocation == invocation else {})

    def resting(self, shards: tuple[Digest, ...], now: float) -> dict[SiloName, Failure]:
        """Returns the silos that are asked again later."""
        rests = [(s, rest) for shard in shards for s, rest in self._resting.get(shard, {}).items()]
        return {silo: rest.failure for silo, rest in rests if now < rest.until}

    def _turn_to(self, invocation: str) -> None:
        if self._invocation != invocation:
            self._invocation, self._unfit, self._runs = invocation, {}, {}

    def _bounded(self, silo: SiloName, failure: Failure) -> Failure:
        if code_of(failure.reason) is not ErrorCode.RUNNER_FAILED or failure.retry is not Retry.LATER:
            return failure
        runs = self._runs[silo] = self._runs.get(silo, 0) + 1
        return failure if runs < MOST_RUNS else replace(failure, retry=Retry.OTHER_INPUTS)


def _lost_kept_values(failure: Failure) -> bool:
    return code_of(failure.reason) is ErrorCode.KEPT_VALUES_LOST


def _of(found: dict[Digest, dict[SiloName, Entry]], shard: Digest) -> dict[SiloName, Entry]:
    """Returns the entries of a shard. Drops those of the shard that was not refused for the longest time."""
    found[shard] = found.pop(shard, {})
    while len(found) > MOST_SHARDS:
        del found[next(iter(found))]
    return found[shard]
