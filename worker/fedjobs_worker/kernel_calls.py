"""System calls that Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import signal

_PR_SET_PDEATHSIG = 1


class KernelCallError(Exception):
    """A system call failed."""


def libc() -> ctypes.CDLL:
    """Returns the C library."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int, name: str) -> None:
    """Checks the return value of a call.

    Raises:
        KernelCallError: The call failed.
    """
    if result != 0:
        raise KernelCallError(f"{name} failed: {errno.errorcode.get(ctypes.get_errno(), result)}")


def die_with_parent() -> None:
    """Makes the kernel kill this process when the thread that started it ends."""
    checked(libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
