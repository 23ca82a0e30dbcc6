"""The silos of a job, and what is known of each: who joined, who is lost, who said no and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.statuses import SiloState, SiloStatus

LOST_AFTER_S = 15.0  # without any sign of life; three heartbeats

HINDERED = "cluster"
"""The rule of a decline that is none for good: the silo's cluster does not let a worker start at the moment."""
_PRESENT = frozenset({SiloState.READY, SiloState.WORKING, SiloState.REFUSED, SiloState.AWAITING_APPROVAL})
"""Can be given work: a silo that refused one shard, or has people look at it, may do another."""
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
    last_seen: float = 0.0
    awaited: bool = True
    """A round that could begin without it waits for it, up to the deadline."""
    overdue: bool = False
    """It did not report in time, and may still be at it."""
    excluded: bool = False
    """By the federation; unlike who declined by itself, it may come back."""


class Roster:
    """Keeps the silos' states. Called in the event loop alone, except `rows`, which takes a snapshot.

    Args:
        silos: Names of the invited ones.
        now: A clock that only goes forward, in seconds.
        changed: Is told of each change of state: silo, state, reason, message.
    """

    def __init__(self, silos: Iterable[str], now: Callable[[], float], changed: Listener) -> None:
        self._silos = {SiloName(name): _Silo() for name in sorted(silos)}
        self._now = now
        self._changed = changed

    def __contains__(self, silo: SiloName) -> bool:
        return silo in self._silos

    def joined(self, silo: SiloName) -> None:
        """A session began."""
        entry = self._silos[silo]
        entry.sessions += 1
        if entry.reason == HINDERED:
            entry.reason = entry.message = ""
        self.seen(silo)
        self.asked_for_work(silo)
        self._set(silo, SiloState.READY)

    def seen(self, silo: SiloName, activity: str | None = None) -> None:
        """A sign of life."""
        entry = self._silos[silo]
        entry.last_seen = self._now()
        if activity is not None:
            entry.activity = activity
        if entry.state is SiloState.LOST:
            self._set(silo, SiloState.READY)

    def asked_for_work(self, silo: SiloName) -> None:
        """It is free: whatever it missed, it is part of the next rounds."""
        entry = self._silos[silo]
        entry.awaited, entry.overdue = True, False

    def overdue(self, silo: SiloName) -> None:
        """It did not report in time. It may send heartbeats for ever: it is not given work before it asks for some."""
        entry = self._silos[silo]
        entry.awaited, entry.overdue = False, True
        if entry.state in _PRESENT:
            self._set(silo, entry.state, "RoundDeadline", "it did not report before the round's deadline")

    def gave_up_waiting(self) -> None:
        """A round began without those who are not ready; the next ones need not wait for them either."""
        ready = set(self.ready())
        for silo, entry in self._silos.items():
            entry.awaited = entry.awaited and silo in ready

    def awaited(self) -> list[SiloName]:
        """Silos that a round waits for, or that are ready anyway; sorted."""
        ready = set(self.ready())
        return [n for n, s in self._silos.items() if n in ready or (s.awaited and s.state is not SiloState.DECLINED)]

    def working(self, silo: SiloName) -> None:
        """Work was given out."""
        if self._silos[silo].state in _PRESENT:
            self._set(silo, SiloState.WORKING)

    def reported(self, silo: SiloName, device: str, clients: int) -> None:
        """Work was finished."""
        entry = self._silos[silo]
        entry.device, entry.clients = device, clients
        self._set(silo, SiloState.READY)

    def failed(self, silo: SiloName, reason: str, message: str) -> None:
        """Work failed; the next may not. A silo that is lost meanwhile stays so."""
        state = self._silos[silo].state
        self._set(silo, SiloState.READY if state in _PRESENT else state, reason, message)

    def hindered(self, silo: SiloName, reason: str, message: str) -> None:
        """The silo would take part, and has nothing running that could: it is waited for as before."""
        entry = self._silos[silo]
        if entry.state not in _PRESENT:
            self._set(silo, entry.state, reason, message)

    def declined(self, silo: SiloName, reason: str, message: str) -> None:
        """The silo does not take part in this job; nothing that comes later changes that."""
        self._set(silo, SiloState.DECLINED, reason, message)

    def exclude(self, silo: SiloName, reason: str, message: str) -> None:
        """The federation suspended or dropped the silo: as one that declined, until it is readmitted."""
        entry = self._silos[silo]
        entry.excluded = entry.excluded or entry.state is not SiloState.DECLINED
        self._set(silo, SiloState.DECLINED, reason, message)

    def readmit(self, silo: SiloName) -> None:
        """The federation lets it take part again; it has to join."""
        entry = self._silos[silo]
        if entry.excluded:
            entry.excluded, entry.state, entry.reason, entry.message = False, SiloState.INVITED, "", ""
            self._changed(silo, SiloState.INVITED, "", "")

    def refused(self, silo: SiloName, reason: str, message: str) -> None:
        """The silo will not do this work, now or later; other work it may."""
        self._set(silo, SiloState.REFUSED, reason, message)

    def awaiting(self, silo: SiloName, reason: str, message: str) -> None:
        """A person of the silo has to look at what it is asked to run."""
        if self._silos[silo].state in _PRESENT:
            self._set(silo, SiloState.AWAITING_APPROVAL, reason, message)

    def consented(self, silo: SiloName) -> None:
        """It will run what it was asked about; nobody has to look at it any more."""
        entry = self._silos[silo]
        if entry.state is SiloState.AWAITING_APPROVAL:
            entry.reason = entry.message = ""
            self._set(silo, SiloState.READY)

    def transferred(self, silo: SiloName, down: int, up: int) -> None:
        """Bytes to and from the silo; also a sign of life."""
        entry = self._silos[silo]
        entry.bytes_down += down
        entry.bytes_up += up
        entry.last_seen = self._now()

    def expire(self) -> None:
        """Marks those as lost that have not been seen for long."""
        for silo, entry in self._silos.items():
            if entry.state in _PRESENT and self._now() - entry.last_seen > LOST_AFTER_S:
                self._set(silo, SiloState.LOST, "NoHeartbeat", f"not heard of for {LOST_AFTER_S:.0f} s")

    def ready(self) -> list[SiloName]:
        """Silos that can be given work, sorted."""
        return [n for n, s in self._silos.items() if s.state in _PRESENT and not s.overdue]

    def unwilling(self) -> list[SiloName]:
        """Silos that do not take part in this job."""
        return [n for n, s in self._silos.items() if s.state is SiloState.DECLINED]

    def why_missing(self, there: Iterable[SiloName]) -> str:
        """For a person: each silo that is not among these, with the reason."""
        texts = []
        for name in sorted(set(self._silos) - set(there)):
            entry = self._silos[name]
            why = ": ".join(x for x in (entry.reason, entry.message) if x)
            texts.append(f"{name} is {entry.state}" + (f" ({why})" if why else ""))
        return "; ".join(texts)

    def rows(self) -> list[SiloStatus]:
        """One row for each silo."""
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
        if reason or state is not SiloState.READY:  # the reason of the last failure stays to be read
            entry.reason, entry.message = reason or entry.reason, message or entry.message
        routine = {SiloState.READY, SiloState.WORKING}
        if (state, entry.reason, entry.message) != before and not (
            state in routine and before[0] in routine and not reason
        ):
            self._changed(silo, state, reason, message)
