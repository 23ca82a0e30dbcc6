"""The memory of a process, as Linux reports it."""

from __future__ import annotations

from pathlib import Path


def resident(pid: int | str = "self") -> tuple[int, int]:
    """Returns the resident bytes of a process and their peak since the last `forget_peak` (VmRSS, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, most = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def forget_peak(pid: int | str = "self") -> None:
    """Resets the peak to the current resident bytes, so that the import of libraries does not count."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
