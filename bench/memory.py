"""What a process holds, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def resident(pid: int | str = "self") -> tuple[int, int]:
    """Bytes that a process has in memory now, and the most since the last `forget_peak` (VmRSS, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, most = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def forget_peak(pid: int | str = "self") -> None:
    """Starts the peak anew from what is in memory now, so that importing libraries does not count."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
