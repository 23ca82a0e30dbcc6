"""The roster: the states of a job's silos, such as joined, lost or declined, with the reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fedjobs_common.errors import ErrorCode
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.statuses import SiloState, SiloStatus

from fedjobs_coordinator.sessions.allowances import Allowance

LOST_AFTER_S = 15.0  # without any call; three heartbeats

HINDERED = "cluster"
"""The rule of a temporary decline: the silo's cluster cannot start a worker at the moment."""
_MOST_CHANGES, _CHANGE_EVERY_S = 100, 10.0
"""Of a silo's state: how many are told at once, and after what time one more. A silo can change it at will, and each
change that is told is written to the coordinator's disk."""
ROUND_DEADLINE = "RoundDeadline"
"""The reason of a silo whose work made no progress before the round's deadline."""
_MOST_NAMED = 20
"""Silos that a message names. The status has the reasons of all."""
_PRESENT = frozenset({SiloState.READY, SiloState.WORKING, SiloState.REFUSED, SiloState.AWAITING_APPROVAL})
"""The states in which a silo can get work. A silo that refused a shard, or awaits its approval, may run another one."""
Listener = Callable[[SiloName, SiloState, str, str], None]


@dataclass
class _Silo:
    state: SiloState = SiloState.INVITED
    activity: str = ""
    reason: str = ""
    message: str = ""
    device: str = ""
    clients: int = 0
    bytes_down: int = 0
    bytes_up: int = 0
    sessions: int = 0
    cohort_size: int = 1
    """The smallest cohort that the silo's policy allows."""
    last_seen: float = 0.0
    awaited: bool = True
    """Whether rounds wait for the silo until their deadline."""
    overdue: bool = False
    """Whether the silo did not report in time, and may still be working."""
    excluded: bool = False
    """Whether the federation excluded the silo. Unlike a silo that declined, it may return."""
    changes: Allowance = field(default_factory=lambda: Allowance(_MOST_CHANGES, _CHANGE_EVERY_S))
    """How many changes of the state may be told."""


class Roster:
    """Keeps the silos' states. Used in the event loop only, except `rows`, which returns a snapshot.

    Args:
        silos: The names of the invited silos.
        now: A monotonic clock, in seconds.
        changed: Called after each change of a state, with silo, state, reason and message.
    """

    def __init__(self, silos: Iterable[str], now: Callable[[], float], changed: Listener) -> None:
        self._silos = {SiloName(name): _Silo() for name in sorted(silos)}
        self._now = now
        self._changed = changed

    def __contains__(self, silo: SiloName) -> bool:
        return silo in self._silos

    def joined(self, silo: SiloName, cohort_size: int = 1) -> None:
        """Records a new session.

        Args:
            silo: The silo.
            cohort_size: The smallest cohort that its policy allows.
        """
        entry = self._silos[silo]
        entry.cohort_size = max(1, cohort_size)
        entry.sessions += 1
        if entry.reason == HINDERED:
            entry.reason = entry.message = ""
        self.seen(silo)
        self.asked_for_work(silo)
        self._set(silo, SiloState.READY)

    def seen(self, silo: SiloName, activity: str | None = None) -> None:
        """Records a call of the silo."""
        entry = self._silos[silo]
        entry.last_seen = self._now()
        if activity is not None:
            entry.activity = activity
        if entry.state is SiloState.LOST:
            self._set(silo, SiloState.READY)

    def asked_for_work(self, silo: SiloName) -> None:
        """Records that the silo is free. It takes part in the next rounds again."""
        entry = self._silos[silo]
        entry.awaited, entry.overdue = True, False

    def overdue(self, silo: SiloName) -> None:
        """Records that the silo did not report in time. It gets no work until it asks for some."""
        entry = self._silos[silo]
        entry.awaited, entry.overdue = False, True
        if entry.state in _PRESENT:
            self._set(silo, entry.state, ROUND_DEADLINE, "its work made no progress before the round's deadline")

    def gave_up_waiting(self) -> None:
        """Records that a round starts without silos that are not ready. The next rounds do not wait for them either."""
        ready = set(self.ready())
        for silo, entry in self._silos.items():
            entry.awaited = entry.awaited and silo in ready

    def awaited(self) -> list[SiloName]:
        """Returns the silos that are ready or that a round waits for, sorted."""
        ready = set(self.ready())
        return [n for n, s in self._silos.items() if n in ready or (s.awaited and s.state is not SiloState.DECLINED)]

    def working(self, silo: SiloName) -> None:
        """Records that the silo got work."""
        if self._silos[silo].state in _PRESENT:
            self._set(silo, SiloState.WORKING)

    def reported(self, silo: SiloName, device: str, clients: int) -> None:
        """Records that the silo finished its work."""
        entry = self._silos[silo]
        entry.device, entry.clients = device, clients
        self._set(silo, SiloState.READY)

    def failed(self, silo: SiloName, reason: str, message: str) -> None:
        """Records a failure. The silo is ready for other work, unless it is lost."""
        state = self._silos[silo].state
        self._set(silo, SiloState.READY if state in _PRESENT else state, reason, message)

    def hindered(self, silo: SiloName, reason: str, message: str) -> None:
        """Records that the silo wants to take part, but cannot start a worker now. Rounds still wait for it."""
        entry = self._silos[silo]
        if entry.state not in _PRESENT:
            self._set(silo, entry.state, reason, message)

    def declined(self, silo: SiloName, reason: str, message: str) -> None:
        """Records that the silo declined the job. This is final."""
        self._set(silo, SiloState.DECLINED, reason, message)

    def exclude(self, silo: SiloName, reason: str, message: str) -> None:
        """Records that the federation excluded the silo. It counts as declined until it is readmitted."""
        entry = self._silos[silo]
        entry.excluded = entry.excluded or entry.state is not SiloState.DECLINED
        self._set(silo, SiloState.DECLINED, reason, message)

    def readmit(self, silo: SiloName) -> None:
        """Records that the federation readmitted the silo. The silo must join again."""
        entry = self._silos[silo]
        if entry.excluded:
            entry.excluded, entry.state, entry.reason, entry.message = False, SiloState.INVITED, "", ""
            self._tell(silo, SiloState.INVITED, "", "")

    def refused(self, silo: SiloName, reason: str, message: str) -> None:
        """Records that the silo refused a shard. It can get other work."""
        self._set(silo, SiloState.REFUSED, reason, message)

    def awaiting(self, silo: SiloName, reason: str, message: str) -> None:
        """Records that a person of the silo must approve a shard."""
        if self._silos[silo].state in _PRESENT:
            self._set(silo, SiloState.AWAITING_APPROVAL, reason, message)

    def consented(self, silo: SiloName) -> None:
        """Records that the silo consents to a shard."""
        entry = self._silos[silo]
        if entry.state is SiloState.AWAITING_APPROVAL:
            entry.reason = entry.message = ""
            self._set(silo, SiloState.READY)

    def transferred(self, silo: SiloName, down: int, up: int) -> None:
        """Counts bytes to and from the silo, as a sign that it is alive."""
        entry = self._silos[silo]
        entry.bytes_down += down
        entry.bytes_up += up
        entry.last_seen = self._now()

    def expire(self) -> None:
        """Marks silos without recent calls as lost."""
        for silo, entry in self._silos.items():
            if entry.state in _PRESENT and self._now() - entry.last_seen > LOST_AFTER_S:
                self._set(silo, SiloState.LOST, "NoHeartbeat", f"not heard of for {LOST_AFTER_S:.0f} s")

    def ready(self) -> list[SiloName]:
        """Returns the silos that can get work, sorted."""
        return [n for n, s in self._silos.items() if s.state in _PRESENT and not s.overdue]

    def unwilling(self) -> list[SiloName]:
        """Returns the silos that do not take part in this job. A silo that the federation suspended may return."""
        return [
            name
            for name, silo in self._silos.items()
            if silo.state is SiloState.DECLINED
            and not (silo.excluded and silo.reason == ErrorCode.SILO_SUSPENDED.label)
        ]

    def cohort_sizes(self) -> dict[SiloName, int]:
        """Returns the smallest cohort that each silo's policy allows."""
        return {name: silo.cohort_size for name, silo in self._silos.items()}

    def why_missing(self, there: Iterable[SiloName]) -> str:
        """Returns a text for people that lists the other silos, each with the reason, if there are not too many."""
        missing = sorted(set(self._silos) - set(there))
        texts = []
        for name in missing[:_MOST_NAMED]:
            entry = self._silos[name]
            why = ": ".join(x for x in (entry.reason, entry.message) if x)
            texts.append(f"{name} is {entry.state}" + (f" ({why})" if why else ""))
        if len(missing) > _MOST_NAMED:
            texts.append(f"and {len(missing) - _MOST_NAMED} others")
        return "; ".join(texts)

    def rows(self) -> list[SiloStatus]:
        """Returns the status of each silo."""
        return [
            SiloStatus(
                name=name,
                state=s.state,
                activity=s.activity,
                reason=s.reason,
                message=s.message,
                device=s.device,
                clients=s.clients,
                bytes_down=s.bytes_down,
                bytes_up=s.bytes_up,
                restarts=max(0, s.sessions - 1),
            )
            for name, s in self._silos.items()
        ]

    def _set(self, silo: SiloName, state: SiloState, reason: str = "", message: str = "") -> None:
        entry = self._silos[silo]
        if entry.state is SiloState.DECLINED:
            return
        before = (entry.state, entry.reason, entry.message)
        entry.state = state
        if reason or state is not SiloState.READY:  # keep the reason of the last failure
            entry.reason, entry.message = reason or entry.reason, message or entry.message
        routine = {SiloState.READY, SiloState.WORKING}
        if (state, entry.reason, entry.message) != before and not (
            state in routine and before[0] in routine and not reason
        ):
            self._tell(silo, state, reason, message)

    def _tell(self, silo: SiloName, state: SiloState, reason: str, message: str) -> None:
        """Tells a change, unless the silo has had too many. The rows have the current state anyway."""
        if self._silos[silo].changes.take(self._now()):
            self._changed(silo, state, reason, message)
