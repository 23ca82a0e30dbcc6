"""The output of `fedjobs run` and `fedjobs watch`: a live table on a terminal, or one line for each event."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from fedjobs_common.jobs.statuses import Phase, PhaseEvent, ProgressEvent, RoundEvent, SiloEvent, SiloState, Status
from fedjobs_common.untrusted_text import printable
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fedjobs import amounts, metrics
from fedjobs.cells import cell, heading

_LAST_ROUNDS = 8
_LAST_NOTES = 5
_MOST_METRICS = 5
_TRANSFERS = ("down", "up")
_STYLES = {
    SiloState.READY: "green",
    SiloState.WORKING: "green",
    SiloState.AWAITING_APPROVAL: "yellow",
    SiloState.LOST: "yellow",
    SiloState.DECLINED: "red",
    SiloState.REFUSED: "red",
    Phase.COMPLETE: "green",
    Phase.FAILED: "red",
    Phase.SUSPENDED: "yellow",
}


class View(Protocol):
    """Shows a run to the user."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def status(self, status: Status) -> None: ...
    def event(self, event: ProgressEvent) -> None: ...


def view(console: Console, *, transfers: bool = True) -> View:
    """Returns a live table if the console supports one, else lines.

    Args:
        console: The console to write to.
        transfers: Whether to show bytes, and the time and the silos of each round. A cluster's status lacks them.
    """
    kind = LiveTable if console.is_terminal or console.is_jupyter else Lines
    return kind(console, transfers=transfers)


class LiveTable:
    """A live table that is redrawn four times a second. Thread-safe."""

    def __init__(self, console: Console, *, transfers: bool = True) -> None:
        self._transfers = transfers
        self._status: Status | None = None
        self._rounds: deque[RoundEvent] = deque(maxlen=_LAST_ROUNDS)
        self._notes: deque[str] = deque(maxlen=_LAST_NOTES)
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._drawn)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def status(self, status: Status) -> None:
        self._status = status

    def event(self, event: ProgressEvent) -> None:
        if isinstance(event, RoundEvent):
            self._rounds.append(event)
        elif isinstance(event, SiloEvent) and (event.reason or event.message):
            self._notes.append(line(event))

    def _drawn(self) -> RenderableType:
        return drawn(self._status, list(self._rounds), list(self._notes), transfers=self._transfers)


class Lines:
    """One line for each event, with the time of day, for logs and pipes."""

    def __init__(self, console: Console, *, transfers: bool = True) -> None:
        self._console = console
        self._transfers = transfers
        self._rounds = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace

    def status(self, status: Status) -> None:
        self._rounds = status.rounds

    def event(self, event: ProgressEvent) -> None:
        # No wrapping and no markup: an event is one line, and `[0]` is not a style.
        text = line(event, self._rounds, transfers=self._transfers)
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def line(event: ProgressEvent, rounds: int = 0, *, transfers: bool = True) -> str:
    """Formats an event as one line. Others choose some of its texts, so unprintable characters are escaped.

    Args:
        event: The event.
        rounds: The total number of rounds, or 0 if it is not known.
        transfers: As in `view`.
    """
    return printable(_line(event, rounds, transfers), 10_000)


def _line(event: ProgressEvent, rounds: int, transfers: bool) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(event.time))
    if isinstance(event, PhaseEvent):
        return f"{at} {event.phase.value}" + (f": {event.message}" if event.message else "")
    if isinstance(event, SiloEvent):
        reason = " ".join(part for part in (event.reason and f"({event.reason})", event.message) if part)
        return f"{at} silo {event.silo}: {event.state.value}" + (f" {reason}" if reason else "")
    of = f"/{rounds}" if rounds else ""
    shown = ", ".join(f"{name} {amounts.number(event.metrics[name])}" for name in metrics.telling(event.metrics))
    if not transfers:
        return f"{at} round {event.round}{of}" + (f": {shown}" if shown else "")
    many = "1 silo" if len(event.silos) == 1 else f"{len(event.silos)} silos"
    moved = f"{amounts.size(event.bytes_down)} down, {amounts.size(event.bytes_up)} up"
    return f"{at} round {event.round}{of}: {amounts.duration(event.seconds)}, {many}, {moved}" + (
        f"; {shown}" if shown else ""
    )


def drawn(
    status: Status | None, rounds: list[RoundEvent], notes: list[str], *, transfers: bool = True
) -> RenderableType:
    """Returns the whole live table."""
    if status is None:
        return Text("Starting the coordinator ...", style="dim")
    parts: list[RenderableType] = [_headline(status), _silos(status, transfers)]
    if rounds:
        parts.append(_rounds(rounds, transfers))
    parts += [cell(note, "dim") for note in notes]
    return Group(*parts)


def _headline(status: Status) -> RenderableType:
    headline = Table.grid(padding=(0, 2))
    phase = Text(status.phase.value, style=_STYLES.get(status.phase, "cyan"))
    cells: list[RenderableType] = [cell(status.job_name, "bold"), phase]
    if status.rounds:
        cells.append(ProgressBar(total=status.rounds, completed=status.round, width=30))
        cells.append(Text(f"round {status.round}/{status.rounds}"))
    elif status.round:
        cells.append(Text(f"round {status.round}"))
    if status.seconds_left is not None and status.phase is Phase.RUNNING:
        cells.append(Text(f"{amounts.duration(status.seconds_left)} left", style="dim"))
    if status.generation > 1:
        cells.append(Text(f"start {status.generation}", style="dim"))
    headline.add_row(*cells)
    return Group(headline, cell(status.message, "yellow")) if status.message else headline


def _silos(status: Status, transfers: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold", border_style="dim")
    for title in ("silo", "state", "doing", "device"):
        table.add_column(title, no_wrap=title != "doing", overflow="fold")
    for title in ("clients", *(_TRANSFERS if transfers else ()), "restarts"):
        table.add_column(title, justify="right", no_wrap=True)
    for silo in status.silos:
        table.add_row(
            cell(silo.name),
            Text(silo.state.value, style=_STYLES.get(silo.state, "dim")),
            cell(silo.reason or silo.activity),
            cell(silo.device),
            str(silo.clients or ""),
            *((amounts.size(silo.bytes_down), amounts.size(silo.bytes_up)) if transfers else ()),
            str(silo.restarts or ""),
        )
    return table


def _rounds(rounds: list[RoundEvent], transfers: bool) -> Table:
    names = metrics.telling(name for event in rounds for name in event.metrics)[:_MOST_METRICS]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold", border_style="dim")
    for title in ("round", *(("time", "silos", *_TRANSFERS) if transfers else ()), *names):
        table.add_column(heading(title), justify="right", overflow="fold")
    for event in rounds:
        values = (event.metrics.get(name) for name in names)
        table.add_row(
            str(event.round),
            *(_moved(event) if transfers else ()),
            *("" if value is None else amounts.number(value) for value in values),
        )
    return table


def _moved(event: RoundEvent) -> tuple[str, ...]:
    sizes = amounts.size(event.bytes_down), amounts.size(event.bytes_up)
    return (amounts.duration(event.seconds), str(len(event.silos)), *sizes)
