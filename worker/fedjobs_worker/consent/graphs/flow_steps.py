"""How values change by branches, loops and datasets: pure functions of what is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedjobs_worker.consent.graphs.flow_values import CHOSEN, MIXED, ONE, Level, Value, joined


def as_state(state: Value, end: Value) -> Value:
    """Returns the end of a step as the value of the loop's variable, which the next step can add to."""
    return replace(end, carries=state.carries, added=Level.NONE, added_axis=ONE, constant=None)


def outside(state: Value, total: Value) -> Value:
    """Returns a variable of a loop after the loop, with what was added to it."""
    if state.handle or state.elements is not None:
        return state
    base = replace(state, carries=None)
    if total.level is Level.NONE and not total.sources:
        return base
    end = joined([replace(base, added=Level.NONE), total])
    return replace(end, rank=state.rank)


def influenced(value: Value, condition: Value, *, implicit: bool = True) -> Value:
    """Returns a value that exists only because of a condition. Which branch was taken can reveal the condition."""
    if value.elements is not None:
        return replace(value, elements=tuple(influenced(e, condition, implicit=implicit) for e in value.elements))
    if value.handle:
        return value
    said = condition.settled()
    sources, through = value.sources | said.sources, value.through | said.through
    if not implicit or (said.level <= value.level and said.level is not Level.RECORDS):
        return replace(value, sources=sources, through=through)
    if said.level is not Level.RECORDS:
        return replace(value, level=said.level, sources=sources, through=through)
    axis = MIXED if said.axis >= 0 else CHOSEN
    told = said.moved(axis, None, "a condition")
    return replace(
        value.settled(),
        level=Level.RECORDS,
        axis=axis,
        sources=sources,
        through=through,
        path=told.path,
        lost=True,
    )


def influenced_by_all(value: Value, conditions: Sequence[Value]) -> Value:
    """Returns a value that exists only because of all these conditions."""
    for condition in conditions:
        value = influenced(value, condition)
    return value


def chosen(element: Value, op: str) -> Value:
    """Returns an element that an operation took from a dataset. It can be any single record."""
    found = element.settled()
    return found.moved(CHOSEN, found.rank, op) if found.level is Level.RECORDS else found


def batched(element: Value, size: object) -> Value:
    """A batch has the records in its first dimension. A batch of one record is one record."""
    found = element.settled()
    rank = None if found.rank is None else found.rank + 1
    if found.level is not Level.RECORDS:
        return replace(found, rank=rank)
    if found.axis != ONE:
        return found.moved(MIXED, rank, "BatchDataset")
    return replace(found, axis=ONE if size == (1,) else 0, rank=rank)
