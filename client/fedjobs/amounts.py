"""Formats sizes, durations and metrics for display."""

from __future__ import annotations

_STEPS = ("B", "kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """Formats a number of bytes in powers of 1000: `1.2 MB`."""
    value, step = float(count), 0
    while value >= 999.5 and step < len(_STEPS) - 1:
        value, step = value / 1000, step + 1
    return f"{value:.0f} {_STEPS[step]}" if step == 0 or value >= 99.5 else f"{value:.1f} {_STEPS[step]}"


def duration(seconds: float) -> str:
    """Formats a duration: `12 ms`, `3.4 s`, `2 min 05 s`, `1 h 07 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: float) -> str:
    """Formats a metric: integers without decimals, other values with about four significant digits."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"
