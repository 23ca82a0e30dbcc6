"""Waiting for what was started, and saying what it said when it does not come."""

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
    """Return when it is reached.

    Args:
        what: named when it is not.
        reached: asked again and again.
        seconds: how long it may take.
        broken: says why it can no longer be reached, or None.

    Raises:
        ClusterError: it is broken, or was not reached in time.
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
    """Whether the API server answers an administrator's GET with 200."""
    context = ssl.create_default_context(cafile=str(plane.keys / "ca.crt"))
    context.load_cert_chain(plane.keys / "admin.crt", plane.keys / "admin.key")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with direct.open(f"{plane.url}{path}", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ending(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """How a process ended that was started here, and what it said to its log; None while it runs."""
    status = process.poll()
    return None if status is None else f"{log.stem} ended with exit status {status}, saying: {tail(log)}"


def tail(path: Path, characters: int = 2000) -> str:
    """The end of a log, or nothing."""
    try:
        return path.read_text(errors="replace")[-characters:]
    except OSError:
        return ""
