"""Waits for started processes, and reports their logs if they fail."""

from __future__ import annotations

import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.cluster.control_planes import ControlPlane
from tests.cluster.errors import ClusterError


def wait_until(
    what: str,
    reached: Callable[[], bool],
    *,
    seconds: float = 120,
    broken: Callable[[], str | None] = lambda: None,
) -> None:
    """Waits until a condition holds.

    Args:
        what: Describes the condition in the error message.
        reached: Returns whether the condition holds. It is called repeatedly.
        seconds: The timeout.
        broken: Returns why the condition can no longer hold, or None.

    Raises:
        ClusterError: The condition can no longer hold, or did not hold in time.
    """
    end = time.monotonic() + seconds
    while not reached():
        why = broken()
        if why is not None:
            raise ClusterError(f"{what}: {why}")
        if time.monotonic() > end:
            raise ClusterError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


def answers(plane: ControlPlane, path: str) -> bool:
    """Returns whether the API server responds with 200 to an administrator's GET request."""
    context = ssl.create_default_context(cafile=str(plane.keys / "ca.crt"))
    context.load_cert_chain(plane.keys / "admin.crt", plane.keys / "admin.key")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with direct.open(f"{plane.url}{path}", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ending(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """Returns how a process ended and the end of its log, or None while it runs."""
    status = process.poll()
    return None if status is None else f"{log.stem} ended with exit status {status}, with the log: {tail(log)}"


def tail(path: Path, characters: int = 2000) -> str:
    """Returns the end of a log, or an empty string if there is none."""
    try:
        return path.read_text(errors="replace")[-characters:]
    except OSError:
        return ""
