"""Gives up what a process may do because of who it is: capabilities, and being read by others of its user."""

from __future__ import annotations

import ctypes
import struct

from fedjobs_worker import kernel_calls
from fedjobs_worker.kernel_calls import checked

_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 24, 38, 47
_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64


def give_up() -> None:
    """Gives up all capabilities for good. Other processes of the same user cannot trace this one or read its memory.

    Raises:
        KernelCallError: A call failed.
    """
    libc = kernel_calls.libc()
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    for capability in range(_MOST_CAPABILITIES):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails without CAP_SETPCAP; there is nothing to drop then
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    checked(libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(bytes(24))), "capset")
    make_unreadable()


def make_unreadable() -> None:
    """Lets no other process of the same user trace this one or read its memory, and writes no core dump.

    Raises:
        KernelCallError: The call failed.
    """
    checked(kernel_calls.libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
