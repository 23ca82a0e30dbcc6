"""Calls of the kernel that Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import signal

_PR_SET_PDEATHSIG = 1


class KernelCallError(Exception):
    """The kernel refused."""


def libc() -> ctypes.CDLL:
    """The C library, by which the kernel is called."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int, name: str) -> None:
    """Looks at what a call returned.

    Raises:
        KernelCallError: The call failed.
    """
    if result != 0:
        raise KernelCallError(f"{name} failed: {errno.errorcode.get(ctypes.get_errno(), result)}")


def die_with_parent() -> None:
    """The kernel kills this process when the thread that started it is gone."""
    checked(libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
